//! The object store behind a URL, with the client settings that its place in a worker asks for.
//!
//! Credentials come from the options, or from where the provider's own tools look for them: the
//! variables that a Kubernetes service account sets, and the machine's metadata service. Options go
//! before the environment.

use crate::error::StoreError;
use crate::settings::{Scheme, StoreSettings};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme, RetryConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Attempts at one request beyond the first. The caller tries again from the start after that, and
/// shows meanwhile why nothing goes on, which a longer silence in here would hide.
const RETRIES_MAX: usize = 4;
/// No further attempt is made after this.
const RETRIES_WITHIN: Duration = Duration::from_secs(20);

/// An object store, and the local folder that its runs are read from.
pub(super) struct Backend {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) folder: PathBuf,
    /// Whether the objects lie in the folder themselves.
    pub(super) is_local: bool,
}

impl Backend {
    /// Opens the store of these settings; nothing is asked yet.
    pub(super) fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        settings.check()?;
        let (scheme, url) = settings.parse()?;
        let options = &settings.options;
        let objects = match scheme {
            Scheme::File => return Self::local(&url),
            Scheme::S3 => s3(&url, options),
            Scheme::Gcs => gcs(&url, options),
            Scheme::Azure => azure(&url, options),
        };
        let failed = |source| StoreError::Object {
            action: "open",
            object: format!("{}:", url.scheme()),
            source,
        };
        let (_, prefix) = ObjectStoreScheme::parse(&url).map_err(|e| failed(e.into()))?;
        Ok(Self {
            objects: Arc::new(PrefixStore::new(objects.map_err(failed)?, prefix)),
            folder: settings.cache.clone().ok_or(StoreError::NoCache)?,
            is_local: false,
        })
    }

    fn local(url: &Url) -> Result<Self, StoreError> {
        let folder = local_folder(url)?;
        Ok(Self {
            objects: Arc::new(local(&folder)?),
            folder,
            is_local: true,
        })
    }
}

type Opened = Result<Arc<dyn ObjectStore>, object_store::Error>;

fn s3(url: &Url, options: &BTreeMap<String, String>) -> Opened {
    let plain = AmazonS3Builder::from_env()
        .with_url(url.as_str())
        .with_retry(retries());
    let set = |b: AmazonS3Builder, key: &str, value| Ok(b.with_config(key.parse()?, value));
    Ok(Arc::new(with_options(plain, options, set)?.build()?))
}

fn gcs(url: &Url, options: &BTreeMap<String, String>) -> Opened {
    let plain = GoogleCloudStorageBuilder::from_env()
        .with_url(url.as_str())
        .with_retry(retries());
    let set =
        |b: GoogleCloudStorageBuilder, key: &str, value| Ok(b.with_config(key.parse()?, value));
    Ok(Arc::new(with_options(plain, options, set)?.build()?))
}

fn azure(url: &Url, options: &BTreeMap<String, String>) -> Opened {
    let plain = MicrosoftAzureBuilder::from_env()
        .with_url(url.as_str())
        .with_retry(retries());
    let set = |b: MicrosoftAzureBuilder, key: &str, value| Ok(b.with_config(key.parse()?, value));
    Ok(Arc::new(with_options(plain, options, set)?.build()?))
}

fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: RETRIES_WITHIN,
        ..RetryConfig::default()
    }
}

/// Sets every option; keys that do not parse were refused before.
fn with_options<B>(
    mut builder: B,
    options: &BTreeMap<String, String>,
    set: impl Fn(B, &str, String) -> Result<B, object_store::Error>,
) -> Result<B, object_store::Error> {
    for (key, value) in options {
        builder = set(builder, key, value.clone())?;
    }
    Ok(builder)
}

fn local(folder: &Path) -> Result<LocalFileSystem, StoreError> {
    std::fs::create_dir_all(folder).map_err(|source| StoreError::Io {
        action: "make checkpoint folder",
        path: folder.to_owned(),
        source,
    })?;
    let objects =
        LocalFileSystem::new_with_prefix(folder).map_err(|source| StoreError::Object {
            action: "open",
            object: folder.display().to_string(),
            source,
        })?;
    // Without this a manifest could survive a power cut that its runs did not.
    Ok(objects.with_fsync(true))
}

fn local_folder(url: &Url) -> Result<PathBuf, StoreError> {
    url.to_file_path().map_err(|()| StoreError::Url {
        url: url.to_string(),
        reason: "it names no local folder; give `file:///` and an absolute folder",
    })
}
