//! A Tower layer that meters HTTP requests: status, sizes, time taken.
//!
//! It refuses nothing and holds nothing up: bodies are counted while they stream and never kept,
//! and an event is dropped and counted rather than waited for ([`Client::try_emit`](crate::Client::try_emit)).
//!
//! Invariant: a request of a known tenant is emitted at most once, when its response's body has
//! ended or was given up, by the ending it had.
//!
//! ```
//! use axum::{Router, extract::MatchedPath, routing::get};
//! use meterline_client::Client;
//! use meterline_client::http::{Counts, MeterLayer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("localhost:9092", "//api").connect()?;
//! let meter = MeterLayer::new(client, |request| {
//!     // The tenant of the request's token; a header stands for it here.
//!     request.headers.get("x-tenant-id")?.to_str().ok().map(str::to_owned)
//! })
//! .endpoint(|request| Some(request.extensions.get::<MatchedPath>()?.as_str().to_owned()))
//! .counts(Counts::Completed);
//! let app: Router = Router::new().route("/v1/rooms/{room}", get(|| async { "a room" })).layer(meter);
//! # Ok(())
//! # }
//! ```

mod body;
#[cfg(feature = "check")]
mod check;
mod layer;
mod recording;

pub use body::{RequestBody, ResponseBody};
#[cfg(feature = "check")]
pub use check::{CheckLayer, CheckService};
pub use layer::{MeterLayer, MeterService, ResponseFuture};
pub use recording::Counts;
