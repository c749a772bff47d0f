//! The control log: reading, following and writing decisions.
