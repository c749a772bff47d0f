//! The Kafka edge: client settings, topics, producers.
