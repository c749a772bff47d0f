//! The layer, its service and the future of a response.

use super::body::{RequestBody, ResponseBody, end};
use super::recording::{Counts, Ending, Recording, Settings};
use crate::client::Client;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Meters the requests of the services under it; see the [module](super).
///
/// Each event has quantity 1 and the properties `method`, `outcome` (`completed`, `failed` or
/// `cancelled`), `request_bytes` and `response_bytes` (of bodies, as far as they were read),
/// `response_ms` (milliseconds with exact microseconds, to the end of the body), `status` where
/// there was a response, and `endpoint` where it is known. Its time is the end of the request.
#[derive(Clone)]
pub struct MeterLayer {
    settings: Arc<Settings>,
}

impl MeterLayer {
    /// Meters requests with this client; `tenant` says who is billed for a request.
    ///
    /// A request without a tenant goes through unmetered and is counted
    /// ([`MeterLayer::unattributed`]).
    pub fn new(
        client: Client,
        tenant: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings {
            client,
            event_type: "api.request".to_owned(),
            counts: Counts::default(),
            tenant: Box::new(tenant),
            endpoint: None,
            request_id: None,
            unattributed: AtomicU64::new(0),
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    /// The events' type. Default `api.request`.
    #[must_use]
    pub fn event_type(self, event_type: impl Into<String>) -> Self {
        self.with(|settings| settings.event_type = event_type.into())
    }

    /// Which requests are emitted. Default [`Counts::Completed`].
    #[must_use]
    pub fn counts(self, counts: Counts) -> Self {
        self.with(|settings| settings.counts = counts)
    }

    /// Says the property `endpoint`: the route's pattern, never a path with ids in it, because
    /// meters group by it.
    #[must_use]
    pub fn endpoint(
        self,
        endpoint: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.endpoint = Some(Box::new(endpoint)))
    }

    /// Says the request's id, which the event's id is derived from: what repeats it counts once.
    ///
    /// Only take an id that the caller cannot choose, such as one that a gateway in front sets:
    /// whoever can repeat an id can use without being metered. Without one every request counts.
    #[must_use]
    pub fn request_id(
        self,
        request_id: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.request_id = Some(Box::new(request_id)))
    }

    /// Requests that went through unmetered because they had no tenant.
    #[must_use]
    pub fn unattributed(&self) -> u64 {
        self.settings.unattributed.load(Ordering::Relaxed)
    }

    /// # Panics
    /// The layer was cloned or used already: its settings are then in use.
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::get_mut(&mut self.settings);
        change(settings.expect("a layer is set up before it is cloned or used"));
        self
    }
}

impl std::fmt::Debug for MeterLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeterLayer")
            .field("event_type", &self.settings.event_type)
            .field("counts", &self.settings.counts)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for MeterLayer {
    type Service = MeterService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MeterService {
            inner,
            settings: Arc::clone(&self.settings),
        }
    }
}

/// A service whose requests are metered.
#[derive(Clone)]
pub struct MeterService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S, B, R> Service<Request<B>> for MeterService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let bytes = Arc::new(AtomicU64::new(0));
        let recording = Recording::begin(&self.settings, &parts, &bytes);
        let request = Request::from_parts(parts, RequestBody::new(body, bytes));
        ResponseFuture {
            inner: self.inner.call(request),
            recording,
        }
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for MeterService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeterService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response to come of a metered request; dropping it cancels the request.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        recording: Option<Recording>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(context));
        let mut recording = this.recording.take();
        Poll::Ready(match result {
            Ok(response) => {
                if let Some(recording) = &mut recording {
                    recording.status = Some(response.status());
                }
                Ok(response.map(|body| ResponseBody::new(body, recording)))
            }
            Err(error) => {
                end(&mut recording, Ending::Failed);
                Err(error)
            }
        })
    }
}

impl<F> std::fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
