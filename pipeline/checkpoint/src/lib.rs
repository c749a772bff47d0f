//! Checkpoints: sorted runs, manifests and the store that holds them.
