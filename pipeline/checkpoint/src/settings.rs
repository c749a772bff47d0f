//! What a store is opened with, checked before anything is asked.
//!
//! A store is named by a URL. Local folders need nothing else; object stores take options of their
//! client, and a local folder for copies of the runs. Values of options may be secrets: they
//! appear neither in `Debug` nor in any error.

use crate::error::StoreError;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use url::Url;

/// Copies of runs that are kept where nothing else is said: a month of ids of a busy deployment.
const CACHE_BYTES: u64 = 20 << 30;

/// Where checkpoints are kept, and how to get there.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// `file:///absolute/folder`, `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix` or `abfss://container@account/prefix`.
    pub url: String,
    /// Settings of the object store's client by the names that
    /// [object_store](https://docs.rs/object_store) gives them, such as `aws_endpoint`.
    pub options: BTreeMap<String, String>,
    /// Folder for local copies of runs; required for object stores, unused for `file:`.
    pub cache: Option<PathBuf>,
    /// Bytes of copies above which those that no open run needs are removed, the least recently
    /// opened first. Default 20 GiB.
    pub cache_bytes: u64,
}

/// The kinds of stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scheme {
    File,
    S3,
    Gcs,
    Azure,
}

impl fmt::Debug for StoreSettings {
    /// Leaves out the options' values: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("url", &self.url)
            .field("options", &self.options.keys())
            .field("cache", &self.cache)
            .field("cache_bytes", &self.cache_bytes)
            .finish()
    }
}

impl StoreSettings {
    /// Settings for that URL, with the defaults for everything else.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            options: BTreeMap::new(),
            cache: None,
            cache_bytes: CACHE_BYTES,
        }
    }

    /// Checks everything that can be checked without asking the store.
    ///
    /// # Errors
    /// [`StoreError::Url`], [`StoreError::Option`] or [`StoreError::NoCache`].
    pub fn check(&self) -> Result<(), StoreError> {
        let (scheme, _) = self.parse()?;
        for key in self.options.keys() {
            let reason = scheme.refuses(key);
            if let Some(reason) = reason {
                let key = key.clone();
                return Err(StoreError::Option { key, reason });
            }
        }
        if scheme != Scheme::File && self.cache.is_none() {
            return Err(StoreError::NoCache);
        }
        Ok(())
    }

    /// The URL and what it names.
    pub(crate) fn parse(&self) -> Result<(Scheme, Url), StoreError> {
        let refused = |url: &str, reason| StoreError::Url {
            url: url.to_owned(),
            reason,
        };
        let url = Url::parse(&self.url).map_err(|_| {
            let reason =
                "it is no URL; give `file:///` and an absolute folder, or s3://bucket/prefix";
            refused(&self.url, reason)
        })?;
        // The rest of the URL may carry credentials: only the scheme is repeated.
        let shown = format!("{}:", url.scheme());
        let scheme = match url.scheme() {
            "file" => Scheme::File,
            "s3" => Scheme::S3,
            "gs" => Scheme::Gcs,
            "az" | "abfs" | "abfss" => Scheme::Azure,
            _ => {
                let reason = "give a file://, s3://, gs://, az:// or abfss:// URL";
                return Err(refused(&shown, reason));
            }
        };
        // In Azure's form the part before `@` is the container.
        if url.password().is_some() || (!url.username().is_empty() && scheme != Scheme::Azure) {
            let reason = "credentials belong into the options or the environment";
            return Err(refused(&shown, reason));
        }
        let names_nothing = scheme != Scheme::File && url.host_str().is_none_or(str::is_empty);
        if names_nothing || url.query().is_some() || url.fragment().is_some() {
            let reason = "a bucket or container, then a prefix, and nothing behind it";
            return Err(refused(&shown, reason));
        }
        Ok((scheme, url))
    }
}

impl Scheme {
    /// Why an option cannot be set; `None` where it can.
    fn refuses(self, key: &str) -> Option<&'static str> {
        let is_known = match self {
            Self::File => return Some("a local folder takes no options"),
            Self::S3 => match key.parse::<AmazonS3ConfigKey>() {
                Ok(AmazonS3ConfigKey::ConditionalPut) => {
                    return Some("the identity key is made by put-if-absent, which must stay on");
                }
                parsed => parsed.is_ok(),
            },
            Self::Gcs => key.parse::<GoogleConfigKey>().is_ok(),
            Self::Azure => key.parse::<AzureConfigKey>().is_ok(),
        };
        (!is_known).then_some("the client of this kind of store knows no such option")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, option: Option<&str>, cache: Option<&str>, expected: Option<&str>) {
        let mut settings = StoreSettings::new(url);
        settings.cache = cache.map(PathBuf::from);
        let secret = || "hidden".to_owned();
        settings.options = option
            .iter()
            .map(|key| ((*key).to_owned(), secret()))
            .collect();
        let refused = settings.check().err().map(|error| error.to_string());
        let shown = format!("{refused:?} {settings:?}");
        match expected {
            None => assert_eq!(refused, None, "{url}"),
            Some(part) => assert!(shown.contains(part), "{url}: {shown}"),
        }
        assert!(!refused.unwrap_or_default().contains("hidden"), "{url}");
        assert!(!format!("{:?}", settings.options.keys()).contains("hidden"));
    }

    #[test]
    fn settings_that_cannot_work_are_refused_without_secrets() {
        let cache = Some("/cache");
        check("file:///var/x", None, None, None);
        check("s3://bucket/x", Some("aws_secret_access_key"), cache, None);
        check("gs://bucket", Some("google_service_account"), cache, None);
        check("az://box/x", Some("azure_storage_account_key"), cache, None);
        check("abfss://box@account/x", None, cache, None);
        for (url, option, cache, expected) in [
            ("s3://key:hidden@bucket", None, cache, "credentials belong"),
            ("s3:///x", None, cache, "a bucket or container"),
            ("s3://bucket/x?region=a", None, cache, "nothing behind it"),
            ("http://bucket/x", None, cache, "`http:` cannot be used"),
            ("bucket/x", None, cache, "it is no URL"),
            ("s3://bucket/x", None, None, "checkpoint.cache"),
            (
                "s3://bucket/x",
                Some("azure_storage_account_key"),
                cache,
                "no such option",
            ),
            (
                "s3://bucket/x",
                Some("conditional_put"),
                cache,
                "put-if-absent",
            ),
            (
                "file:///var/x",
                Some("aws_region"),
                None,
                "takes no options",
            ),
        ] {
            check(url, option, cache, Some(expected));
        }
    }
}
