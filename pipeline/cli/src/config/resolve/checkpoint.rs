//! The checkpoint store's settings.

use super::{Checker, known, secrets};
use crate::config::raw::RawCheckpoint;
use crate::failure::chain;
use crate::units::parse_size;
use meterline_checkpoint::{StoreError, StoreSettings};
use std::path::PathBuf;

/// The store, where one is set. Options without a store are checked by the one that is set later.
pub(super) fn settings(raw: &RawCheckpoint, checker: &mut Checker<'_>) -> Option<StoreSettings> {
    let url = raw.url.as_ref()?;
    let options = secrets::from_files(&raw.options, known::OPTIONS, &secrets::OPTIONS, checker);
    let size = checker.take("checkpoint.cache_size", parse_size(&raw.cache_size))?;
    let settings = StoreSettings {
        url: url.clone(),
        options,
        cache: raw.cache.as_ref().map(PathBuf::from),
        cache_bytes: u64::try_from(size).ok()?,
    };
    if let Err(error) = settings.check() {
        let key = match &error {
            StoreError::Option { key, .. } => format!("{}{key}", known::OPTIONS),
            StoreError::NoCache => "checkpoint.cache".to_owned(),
            _ => "checkpoint.url".to_owned(),
        };
        checker.refuse(&key, format!("cannot be used: {}", chain(&error)));
    }
    Some(settings)
}
