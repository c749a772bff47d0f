//! The key that identities are hashed with: made once, by whoever asks first.
//!
//! The object holds a format line, the key and its digest, so that a flipped digit is seen before
//! it makes every event look new. It is a secret of the store: neither logs nor errors show it.

use super::Store;
use crate::error::StoreError;
use meterline_core::hash::IdentityKey;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use rand::TryRngCore;

const OBJECT: &str = "identity-key";
const FORMAT_LINE: &str = "meterline identity key, format 1";

impl Store {
    /// The key that identities are hashed with; made once per store, whoever asks first.
    ///
    /// # Errors
    /// When it cannot be read or made, or is damaged.
    pub async fn identity_key(&self) -> Result<IdentityKey, StoreError> {
        let key = self
            .0
            .identity_key
            .get_or_try_init(|| self.read_or_make_key());
        key.await.copied()
    }

    /// The key as it lies in the store now; `None` where nobody has made one, or it was lost.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub async fn known_identity_key(&self) -> Result<Option<IdentityKey>, StoreError> {
        let text = self.read(&ObjectPath::from(OBJECT)).await?;
        text.map(|text| decode(&text)).transpose()
    }

    async fn read_or_make_key(&self) -> Result<IdentityKey, StoreError> {
        let failed = |action| {
            move |source| StoreError::Object {
                action,
                object: OBJECT.to_owned(),
                source,
            }
        };
        let path = ObjectPath::from(OBJECT);
        if let Some(text) = self.read(&path).await? {
            return decode(&text);
        }
        let mut bytes = [0; 16];
        rand::rngs::OsRng
            .try_fill_bytes(&mut bytes)
            .expect("the operating system gives random bytes");
        let key = IdentityKey(bytes);
        let made = self
            .0
            .objects
            .put_opts(&path, encode(&key).into(), PutMode::Create.into());
        match made.await {
            Ok(_) => self.check_put_if_absent(&path).await.map(|()| key),
            Err(Error::AlreadyExists { .. }) => {
                let text = self.0.objects.get(&path).await.map_err(failed("read"))?;
                decode(&text.bytes().await.map_err(failed("read"))?)
            }
            Err(error) => Err(failed("make")(error)),
        }
    }

    /// Refuses a store that writes what is there already: some servers that speak S3 ignore the
    /// condition, and would give every worker a key of its own.
    async fn check_put_if_absent(&self, path: &ObjectPath) -> Result<(), StoreError> {
        let again = PutPayload::from_static(b"put-if-absent is ignored here");
        let object = OBJECT.to_owned();
        match self
            .0
            .objects
            .put_opts(path, again, PutMode::Create.into())
            .await
        {
            Err(Error::AlreadyExists { .. }) => Ok(()),
            Ok(_) => Err(StoreError::NoPutIfAbsent { object }),
            Err(source) => Err(StoreError::Object {
                action: "check put-if-absent with",
                object,
                source,
            }),
        }
    }
}

fn encode(key: &IdentityKey) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(key.0));
    format!("{FORMAT_LINE}\n{hex}\ndigest {}\n", key.digest())
}

fn decode(text: &[u8]) -> Result<IdentityKey, StoreError> {
    let damaged = |reason| StoreError::IdentityKey {
        object: OBJECT.to_owned(),
        reason,
    };
    let text = std::str::from_utf8(text).map_err(|_| damaged("it is no text"))?;
    let mut lines = text.lines();
    if lines.next() != Some(FORMAT_LINE) {
        return Err(damaged("its first line names another format"));
    }
    let hex = lines.next().filter(|line| line.len() == 32);
    let key = hex
        .and_then(|hex| u128::from_str_radix(hex, 16).ok())
        .map(|key| IdentityKey(key.to_be_bytes()))
        .ok_or_else(|| damaged("its second line is not 32 hexadecimal digits"))?;
    // The whole text is compared: nothing but what was written is taken.
    if encode(&key) != text {
        return Err(damaged("its digest does not fit the key"));
    }
    Ok(key)
}
