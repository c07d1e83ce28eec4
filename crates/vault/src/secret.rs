use crate::hex;
use millstream_host::entropy;
use std::fmt;
use zeroize::Zeroizing;

/// 256 bits that only whoever holds them may know: wiped when dropped, never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub fn random() -> Self {
        let mut secret = Self::zero();
        entropy::fill(&mut *secret.0);
        secret
    }

    pub(crate) fn zero() -> Self {
        Self(Zeroizing::new([0; 32]))
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut secret = Self::zero();
        hex::decode_to(text, &mut *secret.0).then_some(secret)
    }

    pub(crate) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(&*self.0))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
