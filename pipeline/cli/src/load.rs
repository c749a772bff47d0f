//! What the producing commands share: events, their record forms, and how they are published.
//!
//! Nothing here is used by the pipeline: it stands in for the producers of other services. So it
//! must never be the only thing that the decoder is checked against.

pub(crate) mod avro;
pub(crate) mod broken;
pub(crate) mod event;
pub(crate) mod forms;
pub(crate) mod pace;
pub(crate) mod publisher;
pub(crate) mod random;
pub(crate) mod recording;
pub(crate) mod sender;
pub(crate) mod summary;
