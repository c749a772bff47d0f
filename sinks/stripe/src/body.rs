//! A request's body that asks for permission at the last moment.
//!
//! hyper asks a body for its bytes when it has a connection that is ready and has put the request's
//! head into its buffer; what the body gives is written to the socket in the same step. So this is
//! the last place at which a deadline can be looked at. A refusal ends the connection: the head
//! has promised bytes by `content-length`, and Stripe cannot take a request that lacks them.
//! Invariant: the bytes are given at most once, and only after permission.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

/// How far a request has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// No connection has asked for it: nothing was sent.
    Waiting,
    /// A connection asked and was refused: nothing that counts was sent.
    Refused,
    /// A connection has it: nobody knows how much of it was sent.
    Given,
}

/// The progress of a request, shared with its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<AtomicU8>);

impl Watch {
    pub(crate) fn progress(&self) -> Progress {
        match self.0.load(Ordering::SeqCst) {
            0 => Progress::Waiting,
            1 => Progress::Refused,
            _ => Progress::Given,
        }
    }

    pub(crate) fn set(&self, progress: Progress) {
        let code = match progress {
            Progress::Waiting => 0,
            Progress::Refused => 1,
            Progress::Given => 2,
        };
        self.0.store(code, Ordering::SeqCst);
    }
}

/// The form of a request; empty for requests that only read.
pub(crate) struct GuardedBody {
    bytes: Option<Bytes>,
    may_write: Box<dyn Fn() -> bool + Send + Sync>,
    watch: Watch,
}

impl GuardedBody {
    pub(crate) fn new(
        bytes: Bytes,
        may_write: Box<dyn Fn() -> bool + Send + Sync>,
        watch: Watch,
    ) -> Self {
        Self {
            bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
            may_write,
            watch,
        }
    }
}

/// The permission was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the deadline passed before the request was written")]
pub(crate) struct MayNotWrite;

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = MayNotWrite;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MayNotWrite>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready(None);
        };
        if !(self.may_write)() {
            self.watch.set(Progress::Refused);
            return Poll::Ready(Some(Err(MayNotWrite)));
        }
        self.watch.set(Progress::Given);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).expect("lengths fit 64 bits"))
    }
}
