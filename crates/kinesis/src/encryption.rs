//! What StartStreamEncryption and StopStreamEncryption share.

use crate::error::Failure;
use millstream_api_kinesis as api;

/// The model knows `NONE` too, for the answers that say it.
pub(crate) fn check_type(encryption_type: &api::EncryptionType) -> Result<(), Failure> {
    match encryption_type {
        api::EncryptionType::Kms => Ok(()),
        _ => Err(Failure::invalid("KMS is the only valid EncryptionType for this request.")),
    }
}
