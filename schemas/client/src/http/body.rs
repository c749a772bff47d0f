//! Bodies that are counted while they stream.

use super::recording::{Ending, Recording};
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

pin_project! {
    /// A request's body; what the service reads of it is counted.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        bytes: Arc<AtomicU64>,
    }
}

impl<B> RequestBody<B> {
    pub(super) fn new(inner: B, bytes: Arc<AtomicU64>) -> Self {
        Self { inner, bytes }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            this.bytes.fetch_add(data_bytes(frame), Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    /// A response's body; its end is the end of the request.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        recording: Option<Recording>,
    }
}

impl<B: Body> ResponseBody<B> {
    /// A body that nobody may read to its end (there is none) ends the recording at once.
    pub(super) fn new(inner: B, mut recording: Option<Recording>) -> Self {
        let is_over = |r: &Recording| inner.is_end_stream() || r.has_no_body();
        if recording.as_ref().is_some_and(is_over) {
            end(&mut recording, Ending::Completed);
        }
        Self { inner, recording }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(context));
        match &frame {
            None => end(this.recording, Ending::Completed),
            Some(Err(_)) => end(this.recording, Ending::Failed),
            Some(Ok(frame)) => {
                if let Some(recording) = this.recording {
                    recording.response_bytes += data_bytes(frame);
                }
                // A server with a known length does not ask for the end.
                if this.inner.is_end_stream() {
                    end(this.recording, Ending::Completed);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: std::fmt::Debug> std::fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .field("is_recorded", &self.recording.is_some())
            .finish()
    }
}

fn data_bytes<D: Buf>(frame: &Frame<D>) -> u64 {
    let bytes = frame.data_ref().map_or(0, Buf::remaining);
    u64::try_from(bytes).expect("nothing in memory is longer than 2⁶⁴ bytes")
}

/// Ends the recording by dropping it.
pub(super) fn end(recording: &mut Option<Recording>, ending: Ending) {
    if let Some(mut recording) = recording.take() {
        recording.ending = ending;
    }
}
