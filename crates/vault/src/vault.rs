use crate::data_key::{self, ID};
use crate::{KeyError, Keyring, MasterKey, OpenError, Secret, batch, caps, hex};
use bytes::Bytes;
use lru::LruCache;
use millstream_control::{DataKey, Stream};
use millstream_log::Batch;
use millstream_types::{Home, LogShard};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Seals and opens batches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Vault(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keyring: Keyring,
    /// By their wrapped form, which no two data keys share.
    unwrapped: Mutex<LruCache<String, Unwrapped>>,
}

#[derive(Clone, Debug)]
struct Unwrapped {
    /// All that the key is bound to: the same wrapped bytes under another name must not be found.
    arn: String,
    key: DataKey,
    secret: Arc<Secret>,
}

impl Default for Vault {
    fn default() -> Self {
        Self::new(Keyring::default())
    }
}

/// Whether a batch's body is sealed. All that a plain batch has to do with encryption.
pub fn is_sealed(batch: &Batch) -> bool {
    batch.body.starts_with(&batch::MARK)
}

impl Vault {
    pub fn new(keyring: Keyring) -> Self {
        let room = NonZeroUsize::new(caps::DATA_KEYS_IN_MEMORY).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Inner { keyring, unwrapped: Mutex::new(LruCache::new(room)) }))
    }

    /// The data key to encrypt a stream with from now on: the one that the stream has already under the newest version of
    /// the master key that `key_id` names, else a new one. So a stream never has more than there are versions.
    pub fn data_key(&self, stream: &Stream, key_id: &str, home: &Home) -> Result<DataKey, KeyError> {
        let master = enabled(self.0.keyring.resolve(key_id, home)?)?;
        let newest = |key: &&DataKey| key.master == master.id && key.version == master.newest();
        match stream.data_keys.iter().find(newest) {
            Some(key) => self.secret(&stream.arn, key).map(|_usable| key.clone()),
            None => data_key::create(master, &stream.arn).map(|(key, _)| key),
        }
    }

    /// The id of the master key that `key_id` names.
    pub fn master_id(&self, key_id: &str, home: &Home) -> Result<&str, KeyError> {
        self.0.keyring.resolve(key_id, home).map(|master| master.id.as_str())
    }

    /// Whether a data key can be used.
    pub fn check(&self, arn: &str, key: &DataKey) -> Result<(), KeyError> {
        self.secret(arn, key).map(drop)
    }

    /// The batch with its body encrypted, bound to the stream and the shard.
    pub fn seal(&self, arn: &str, key: &DataKey, shard: LogShard, batch: &Batch) -> Result<Batch, KeyError> {
        let secret = self.secret(arn, key)?;
        let id = hex::decode::<ID>(&key.id).ok_or_else(|| unusable(key))?;
        Ok(batch::seal(&secret, id, arn, shard, batch))
    }

    /// The body that was sealed.
    pub fn open(
        &self,
        arn: &str,
        keys: &[DataKey],
        shard: LogShard,
        batch: &Batch,
    ) -> Result<Bytes, OpenError> {
        let id = hex::encode(&batch::key_id(&batch.body)?);
        let key = keys.iter().find(|key| key.id == id).ok_or(OpenError::NoDataKey(id))?;
        batch::open(&*self.secret(arn, key)?, arn, shard, batch)
    }

    fn secret(&self, arn: &str, key: &DataKey) -> Result<Arc<Secret>, KeyError> {
        let master = enabled(self.0.keyring.by_id(&key.master)?)?;
        // Each critical section is one operation of the cache, so a panic elsewhere leaves it whole.
        let lock = || self.0.unwrapped.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock()
            .get(&key.wrapped)
            .filter(|known| known.arn == arn && known.key == *key)
            .map(|known| known.secret.clone());
        if let Some(secret) = known {
            return Ok(secret);
        }
        let secret = Arc::new(data_key::unwrap(master, arn, key)?);
        lock().put(
            key.wrapped.clone(),
            Unwrapped { arn: arn.to_owned(), key: key.clone(), secret: secret.clone() },
        );
        Ok(secret)
    }
}

fn enabled(master: &MasterKey) -> Result<&MasterKey, KeyError> {
    if master.disabled { Err(KeyError::Disabled(master.id.clone())) } else { Ok(master) }
}

fn unusable(key: &DataKey) -> KeyError {
    KeyError::Unwrap { data_key: key.id.clone(), key: key.master.clone(), version: key.version }
}
