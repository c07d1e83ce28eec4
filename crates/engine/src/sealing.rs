//! Encryption of what goes to the log, and back. The log stores bodies that it cannot read.

use crate::{Engine, EngineError};
use millstream_control::{DataKey, Stream};
use millstream_log::{Batch, StoredBatch};
use millstream_types::LogShard;
use millstream_vault::{KeyError, OpenError, Vault};

/// How the records of a call are encrypted: as the stream was when they were prepared.
#[derive(Debug)]
pub(crate) struct Sealing {
    arn: String,
    key: DataKey,
}

impl Sealing {
    /// `None` if the stream is not encrypted.
    pub(crate) fn of(stream: &Stream) -> Option<Self> {
        let encryption = stream.encryption.as_ref()?;
        let key = stream.current_data_key().cloned();
        // A key that is not there cannot be unwrapped either, and nothing may be stored as it is.
        let none = || DataKey {
            id: encryption.data_key.clone(),
            master: encryption.key_id.clone(),
            version: 0,
            wrapped: String::new(),
        };
        Some(Self { arn: stream.arn.clone(), key: key.unwrap_or_else(none) })
    }

    pub(crate) fn seal(&self, vault: &Vault, batches: &mut [(LogShard, Batch)]) -> Result<(), KeyError> {
        for (shard, batch) in batches {
            *batch = vault.seal(&self.arn, &self.key, *shard, batch)?;
        }
        Ok(())
    }
}

impl Engine {
    /// The batch as it was before it was sealed. Its checksum is still that of the sealed one.
    pub(crate) fn unsealed(
        &self,
        stream: &Stream,
        shard: LogShard,
        stored: &StoredBatch,
    ) -> Result<StoredBatch, EngineError> {
        // The batch may be under a key that the stream got after the caller looked it up.
        let now = self.current(stream)?;
        let body = self.vault.open(&now.arn, &now.data_keys, shard, &stored.batch);
        let body = body.map_err(|error| match error {
            OpenError::Key(error) => EngineError::Key(error),
            OpenError::UnknownForm => EngineError::UnknownForm(stored.first),
            why @ (OpenError::NoDataKey(_) | OpenError::Damaged) => {
                EngineError::Sealed { position: stored.first, why }
            }
        })?;
        Ok(StoredBatch { first: stored.first, batch: Batch { body, ..stored.batch } })
    }
}
