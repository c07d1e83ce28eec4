//! Chance as an input.
#![expect(clippy::disallowed_methods, reason = "this is where entropy is read")]

#[cfg(feature = "sim")]
mod seeded;

use std::cell::RefCell;

#[cfg(feature = "sim")]
pub use seeded::{Seeded, seed};

/// Fill `bytes` from the operating system (or, in a simulation, from its seed).
///
/// # Panics
/// If the operating system has no entropy to give, which leaves nothing safe to do.
pub fn fill(bytes: &mut [u8]) {
    #[cfg(feature = "sim")]
    if seeded::fill(bytes) {
        return;
    }
    getrandom::fill(bytes).expect("the operating system gives entropy");
}

pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Entropy of this thread that nobody has had yet: one is asked of the system for hundreds of ids.
struct Ahead {
    bytes: [u8; 4096],
    used: usize,
}

thread_local! {
    static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { bytes: [0; 4096], used: 4096 }) };
}

fn sixteen() -> [u8; 16] {
    #[cfg(feature = "sim")]
    {
        let mut seeded = [0; 16];
        if seeded::fill(&mut seeded) {
            return seeded;
        }
    }
    AHEAD.with_borrow_mut(|ahead| {
        if ahead.used == ahead.bytes.len() {
            fill(&mut ahead.bytes);
            ahead.used = 0;
        }
        let mut taken = [0; 16];
        let from = &mut ahead.bytes[ahead.used..ahead.used + 16];
        // Not to be found in memory afterwards.
        taken.swap_with_slice(from);
        ahead.used += 16;
        taken
    })
}

/// A random UUID (version 4), the form of AWS's request ids.
pub fn uuid() -> String {
    let mut b = sixteen();
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in b.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // One is made for every request: without the formatting machinery.
        for half in [byte >> 4, byte & 0xf] {
            text.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_has_its_form() {
        let uuid = super::uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        let is_hyphen = |(index, byte): (usize, u8)| (byte == b'-') == [8, 13, 18, 23].contains(&index);
        assert!(uuid.bytes().enumerate().all(is_hyphen));
        assert!(uuid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')));
        assert_ne!(uuid, super::uuid());
    }
}
