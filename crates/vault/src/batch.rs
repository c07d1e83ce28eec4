//! Sealed batches. See `docs/formats/encryption.md`.

use crate::data_key::{ID, message_key, only_nonce};
use crate::{OpenError, Secret};
use bytes::Bytes;
use millstream_host::{Buffer, entropy};
use millstream_log::Batch;
use millstream_types::LogShard;
use ring::aead::Aad;

/// How a sealed body begins. A plain one begins with the length of its first record, which is never as much.
pub(crate) const MARK: [u8; 4] = [0xff; 4];
const VERSION: u8 = 1;
const SALT: usize = 32;
const TAG: usize = 16;
const HEAD: usize = MARK.len() + 1 + ID + SALT;

const PURPOSE: &[u8] = b"millstream sealed batch 1";

/// What a batch is bound to beside its head: the place where it was written. Its positions and, if the clock went back, its
/// time are the log's to give, later.
fn associated(head: &[u8], arn: &str, shard: LogShard, count: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(head.len() + 12 + arn.len());
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(&shard.0.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(arn.as_bytes());
    bytes
}

pub(crate) fn seal(secret: &Secret, id: [u8; ID], arn: &str, shard: LogShard, batch: &Batch) -> Batch {
    let mut salt = [0; SALT];
    entropy::fill(&mut salt);
    seal_with(secret, id, arn, shard, batch, salt)
}

fn seal_with(
    secret: &Secret,
    id: [u8; ID],
    arn: &str,
    shard: LogShard,
    batch: &Batch,
    salt: [u8; SALT],
) -> Batch {
    let mut body = Buffer::with_capacity(HEAD + batch.body.len() + TAG);
    body.extend_from_slice(&MARK);
    body.push(VERSION);
    body.extend_from_slice(&id);
    body.extend_from_slice(&salt);
    let associated = associated(&body, arn, shard, batch.count);
    body.extend_from_slice(&batch.body);
    let key = message_key(secret, &salt, PURPOSE);
    let tag = key.seal_in_place_separate_tag(only_nonce(), Aad::from(associated), &mut body[HEAD..]);
    // AES-GCM takes 64 GiB under one nonce; calls are limited to some MiB.
    body.extend_from_slice(tag.expect("a call is below 64 GiB").as_ref());
    Batch::of_body(batch.timestamp, batch.count, body.freeze())
}

/// The id of the data key that a sealed body names.
pub(crate) fn key_id(body: &[u8]) -> Result<[u8; ID], OpenError> {
    let rest = body.strip_prefix(&MARK).ok_or(OpenError::UnknownForm)?;
    let (&version, rest) = rest.split_first().ok_or(OpenError::UnknownForm)?;
    if version != VERSION {
        return Err(OpenError::UnknownForm);
    }
    rest.first_chunk().copied().ok_or(OpenError::Damaged)
}

/// The body that was sealed.
pub(crate) fn open(secret: &Secret, arn: &str, shard: LogShard, batch: &Batch) -> Result<Bytes, OpenError> {
    let (head, sealed) = batch.body.split_at_checked(HEAD).ok_or(OpenError::Damaged)?;
    if sealed.len() < TAG {
        return Err(OpenError::Damaged);
    }
    let associated = associated(head, arn, shard, batch.count);
    let key = message_key(secret, &head[HEAD - SALT..], PURPOSE);
    let mut plain = Buffer::with_capacity(sealed.len());
    plain.extend_from_slice(sealed);
    let opened = key.open_in_place(only_nonce(), Aad::from(associated), &mut plain);
    let length = opened.map_err(|_bad| OpenError::Damaged)?.len();
    plain.truncate(length);
    Ok(plain.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use millstream_types::Timestamp;

    const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    const SHARD: LogShard = LogShard(7);

    fn secret() -> Secret {
        Secret::from_hex(&"0123456789abcdef".repeat(4)).unwrap()
    }

    fn golden() -> Batch {
        let plain = Batch::single(Timestamp::from_millis(5), b"\x01\x01\x00khello");
        seal_with(&secret(), [3; ID], ARN, SHARD, &plain, [9; SALT])
    }

    /// The bytes of form 1, which every later version must open.
    #[test]
    fn form_1_is_as_it_was() {
        let head = format!("ffffffff01{}{}", "03".repeat(16), "09".repeat(32));
        let text = hex::encode(&golden().body);
        assert_eq!(text.strip_prefix(&head), Some(include_str!("../tests/golden/sealed-1.hex").trim()));
    }

    #[test]
    fn what_was_sealed_opens_where_it_was_sealed() {
        let (plain, sealed) = (Batch::single(Timestamp::from_millis(5), b"\x01\x01\x00khello"), golden());
        assert!(sealed.is_intact() && (sealed.count, sealed.timestamp) == (plain.count, plain.timestamp));
        assert_eq!(key_id(&sealed.body), Ok([3; ID]));
        assert_eq!(open(&secret(), ARN, SHARD, &sealed).unwrap(), plain.body);
        assert_eq!(open(&secret(), ARN, LogShard(8), &sealed), Err(OpenError::Damaged));
        assert_eq!(open(&secret(), "arn", SHARD, &sealed), Err(OpenError::Damaged));
        assert_eq!(open(&Secret::random(), ARN, SHARD, &sealed), Err(OpenError::Damaged));
        let more = Batch { count: 2, ..sealed };
        assert_eq!(open(&secret(), ARN, SHARD, &more), Err(OpenError::Damaged));
    }

    #[test]
    fn no_byte_can_be_changed_and_none_can_be_missing() {
        let sealed = golden();
        for at in 0..sealed.body.len() {
            let mut body = sealed.body.to_vec();
            body[at] ^= 0x10;
            let changed = Batch { body: body.into(), ..sealed.clone() };
            assert_eq!(open(&secret(), ARN, SHARD, &changed), Err(OpenError::Damaged), "byte {at}");
            let cut = Batch { body: sealed.body.slice(..at), ..sealed.clone() };
            assert_eq!(open(&secret(), ARN, SHARD, &cut), Err(OpenError::Damaged), "cut at {at}");
        }
    }

    #[test]
    fn the_same_records_are_sealed_anew_each_time() {
        let plain = Batch::single(Timestamp::ZERO, b"same");
        let seal = || seal(&secret(), [0; ID], ARN, SHARD, &plain).body;
        let (first, second) = (seal(), seal());
        assert_ne!(first[HEAD - SALT..HEAD], second[HEAD - SALT..HEAD]);
        assert_ne!(first[HEAD..], second[HEAD..]);
    }

    #[test]
    fn a_plain_body_is_not_taken_for_a_sealed_one() {
        for record in [&b""[..], &[0xff; 300]] {
            assert_ne!(Batch::single(Timestamp::ZERO, record).body[..4], MARK);
        }
        assert_eq!(key_id(b"\xff\xff\xff\xff\x02"), Err(OpenError::UnknownForm));
        assert_eq!(key_id(b"\xff\xff\xff\xff\x01abc"), Err(OpenError::Damaged));
    }
}
