//! The client against librdkafka's mock cluster: a broker in this process that can be taken down
//! and made to answer with errors. The real broker, killed, is in the end-to-end tests.
//!
//! What arrives is read back with the pipeline's own decoder.

mod away;
mod checks;
mod delivering;
mod recorders;
mod requests;
mod support;
