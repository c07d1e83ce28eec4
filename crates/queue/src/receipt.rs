//! Receipt handles: which delivery of which record, signed, so that nobody can make one.

use hmac::{Hmac, KeyInit, Mac};
use millstream_types::{Position, ShardId};
use sha2::Sha256;

/// Where a receipt was given out. It is good for nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Record,
    DeadLetter,
}

/// One delivery of one record of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub kind: Kind,
    pub shard: ShardId,
    pub position: Position,
    /// The record's deliveries, this one included.
    pub number: u32,
}

const CONTENT: usize = 1 + 8 + 8 + 4;
/// Half of the digest: 128 bits that nobody can guess.
const SIGNATURE: usize = 16;

impl Receipt {
    /// As clients carry it: base64 without padding, safe in URLs.
    pub(crate) fn seal(&self, secret: &[u8]) -> String {
        let mut bytes = self.content().to_vec();
        bytes.extend_from_slice(&signing(secret, &bytes).finalize().into_bytes()[..SIGNATURE]);
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(&bytes)
    }

    /// `None` for what this queue did not give out.
    pub(crate) fn open(secret: &[u8], handle: &str) -> Option<Self> {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(handle).ok()?;
        let (content, signature) = bytes.split_first_chunk::<CONTENT>()?;
        if signature.len() != SIGNATURE {
            return None;
        }
        // In constant time.
        signing(secret, content).verify_truncated_left(signature).ok()?;
        let (kind, rest) = content.split_first()?;
        let (shard, rest) = rest.split_first_chunk::<8>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let (number, _) = rest.split_first_chunk::<4>()?;
        Some(Self {
            kind: if *kind == 0 { Kind::Record } else { Kind::DeadLetter },
            shard: ShardId(u64::from_be_bytes(*shard)),
            position: Position(u64::from_be_bytes(*position)),
            number: u32::from_be_bytes(*number),
        })
    }

    fn content(&self) -> [u8; CONTENT] {
        let mut bytes = [0; CONTENT];
        bytes[0] = u8::from(self.kind == Kind::DeadLetter);
        bytes[1..9].copy_from_slice(&self.shard.0.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.position.0.to_be_bytes());
        bytes[17..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

fn signing(secret: &[u8], content: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(content);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_opens() {
        let receipt =
            Receipt { kind: Kind::DeadLetter, shard: ShardId(7), position: Position(u64::MAX), number: 3 };
        let handle = receipt.seal(b"secret");
        assert!(handle.len() <= 1_024);
        assert_eq!(Receipt::open(b"secret", &handle), Some(receipt));
        assert_eq!(Receipt::open(b"other", &handle), None);
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(&handle).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(
                Receipt::open(b"secret", &base64_simd::URL_SAFE_NO_PAD.encode_to_string(&forged)),
                None
            );
        }
        for bad in ["", "x", "????", &handle[1..], &format!("{handle}AA")] {
            assert_eq!(Receipt::open(b"secret", bad), None, "{bad}");
        }
    }
}
