//! A layer that asks before a request whether its tenant may use more, and refuses where not.
//!
//! It counts nothing: a [`MeterLayer`](super::MeterLayer) under it meters what was let through.
//! A request of nobody goes through, and so does one that nothing is known of, unless the checker
//! fails closed. Invariant: a refused request never reaches the service under it.
//!
//! ```
//! use axum::{Router, http::Response, routing::get};
//! use meterline_client::check::Checker;
//! use meterline_client::http::CheckLayer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let checker = Checker::builder("https://usage.example", "mlk_0123456789ab_secret").connect()?;
//! let check = CheckLayer::new(
//!     checker,
//!     "api_calls",
//!     |request| request.headers.get("x-tenant-id")?.to_str().ok().map(str::to_owned),
//!     |verdict| {
//!         let seconds = verdict.retry_after.map_or(60, |after| after.as_secs());
//!         let response = Response::builder().status(429).header("retry-after", seconds);
//!         response.body(axum::body::Body::empty()).expect("a response")
//!     },
//! );
//! let app: Router = Router::new().route("/v1/rooms", get(|| async { "rooms" })).layer(check);
//! # Ok(())
//! # }
//! ```

use crate::check::{Checker, Verdict};
use http::request::Parts;
use http::{Request, Response};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Refuses requests of tenants that may use no more, before they reach the service under it.
pub struct CheckLayer<R> {
    settings: Arc<Settings<R>>,
}

struct Settings<R> {
    checker: Checker,
    meter: String,
    quantity: u64,
    tenant: TenantOf,
    refuse: Refusal<R>,
}

/// Whose request it is.
type TenantOf = Box<dyn Fn(&Parts) -> Option<String> + Send + Sync>;
/// The answer to a refused request.
type Refusal<R> = Box<dyn Fn(&Verdict) -> Response<R> + Send + Sync>;

impl<R> CheckLayer<R> {
    /// Asks for one unit of the meter for each request; `tenant` says whose request it is, and
    /// `refuse` makes the answer to a refused one.
    pub fn new(
        checker: Checker,
        meter: impl Into<String>,
        tenant: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
        refuse: impl Fn(&Verdict) -> Response<R> + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings {
            checker,
            meter: meter.into(),
            quantity: 1,
            tenant: Box::new(tenant),
            refuse: Box::new(refuse),
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Asks for that much instead, in the meter's base unit.
    ///
    /// # Panics
    /// The layer was cloned or used already: its settings are then in use.
    #[must_use]
    pub fn quantity(mut self, quantity: u64) -> Self {
        let settings = Arc::get_mut(&mut self.settings);
        let settings = settings.expect("a layer is set up before it is cloned or used");
        settings.quantity = quantity;
        self
    }
}

impl<R> Clone for CheckLayer<R> {
    fn clone(&self) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
        }
    }
}

impl<R> fmt::Debug for CheckLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckLayer")
            .field("meter", &self.settings.meter)
            .field("quantity", &self.settings.quantity)
            .finish_non_exhaustive()
    }
}

impl<S, R> Layer<S> for CheckLayer<R> {
    type Service = CheckService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        CheckService {
            inner,
            settings: Arc::clone(&self.settings),
        }
    }
}

/// A service whose requests are asked about first.
pub struct CheckService<S, R> {
    inner: S,
    settings: Arc<Settings<R>>,
}

impl<S: Clone, R> Clone for CheckService<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            settings: Arc::clone(&self.settings),
        }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for CheckService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for CheckService<S, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that said it is ready goes with the request; its clone is asked next time.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let settings = Arc::clone(&self.settings);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if let Some(tenant) = (settings.tenant)(&parts) {
                let asked = settings
                    .checker
                    .check(&tenant, &settings.meter, settings.quantity);
                let verdict = asked.await;
                if !verdict.allowed {
                    return Ok((settings.refuse)(&verdict));
                }
            }
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}
