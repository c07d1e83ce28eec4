//! Chance as an input.
#![expect(clippy::disallowed_methods, reason = "this is where entropy is read")]

/// Fill `bytes` from the operating system.
///
/// # Panics
/// If the operating system has no entropy to give, which leaves nothing safe to do.
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives entropy");
}

pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A random UUID (version 4), the form of AWS's request ids.
pub fn uuid() -> String {
    let mut b = [0; 16];
    fill(&mut b);
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex = |range: std::ops::Range<usize>| {
        b[range].iter().fold(String::with_capacity(12), |mut text, byte| {
            use std::fmt::Write;
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
    };
    format!("{}-{}-{}-{}-{}", hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_has_its_form() {
        let uuid = super::uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert_ne!(uuid, super::uuid());
    }
}
