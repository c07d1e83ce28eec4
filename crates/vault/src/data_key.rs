//! Data keys, wrapped by master keys. See `docs/formats/encryption.md`.

use crate::{KeyError, MasterKey, Secret, hex};
use millstream_control::DataKey;
use millstream_host::entropy;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

const VERSION: u8 = 1;
const SALT: usize = 32;
const TAG: usize = 16;
/// Version, salt, the encrypted key, its tag.
const WRAPPED: usize = 1 + SALT + 32 + TAG;
pub(crate) const ID: usize = 16;

/// An AES key for one message: from 256 random bits of salt, which never come twice, so that one nonce does for all.
pub(crate) fn message_key(secret: &Secret, salt: &[u8], purpose: &[u8]) -> LessSafeKey {
    let parent = Salt::new(HKDF_SHA256, salt).extract(secret.bytes());
    let purpose = [purpose];
    let output = parent.expand(&purpose, &AES_256_GCM).expect("HKDF gives 32 bytes");
    LessSafeKey::new(UnboundKey::from(output))
}

/// The only nonce of a key that seals one message.
pub(crate) fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

const PURPOSE: &[u8] = b"millstream wrapped data key 1";

/// What a data key is bound to: the stream that it is of, and which of its keys it is.
fn associated(arn: &str, id: &str, master: &MasterKey, version: u32) -> Vec<u8> {
    let parts = [arn.as_bytes(), id.as_bytes(), master.id.as_bytes()];
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&version.to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A new data key of a stream, wrapped by the newest version of a master key.
pub(crate) fn create(master: &MasterKey, arn: &str) -> Result<(DataKey, Secret), KeyError> {
    let (secret, version) = (Secret::random(), master.newest());
    let mut id = [0; ID];
    entropy::fill(&mut id);
    let id = hex::encode(&id);
    let mut wrapped = [0; WRAPPED];
    wrapped[0] = VERSION;
    let (head, body) = wrapped.split_at_mut(1 + SALT);
    entropy::fill(&mut head[1..]);
    let key = message_key(master.version(version)?, &head[1..], PURPOSE);
    let (body, tag) = body.split_at_mut(32);
    body.copy_from_slice(secret.bytes());
    let associated = Aad::from(associated(arn, &id, master, version));
    let made = key.seal_in_place_separate_tag(only_nonce(), associated, body);
    tag.copy_from_slice(made.expect("32 bytes are not too many to encrypt").as_ref());
    let wrapped = hex::encode(&wrapped);
    Ok((DataKey { id, master: master.id.clone(), version, wrapped }, secret))
}

pub(crate) fn unwrap(master: &MasterKey, arn: &str, key: &DataKey) -> Result<Secret, KeyError> {
    let failed =
        || KeyError::Unwrap { data_key: key.id.clone(), key: master.id.clone(), version: key.version };
    let mut wrapped =
        hex::decode::<WRAPPED>(&key.wrapped).filter(|bytes| bytes[0] == VERSION).ok_or_else(failed)?;
    let (head, body) = wrapped.split_at_mut(1 + SALT);
    let message_key = message_key(master.version(key.version)?, &head[1..], PURPOSE);
    let associated = Aad::from(associated(arn, &key.id, master, key.version));
    let opened = message_key.open_in_place(only_nonce(), associated, body).map_err(|_bad| failed())?;
    let mut secret = Secret::zero();
    secret.bytes_mut().copy_from_slice(opened);
    zeroize::Zeroize::zeroize(&mut wrapped);
    Ok(secret)
}
