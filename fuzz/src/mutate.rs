//! Damage by a seed, where there is no coverage to be guided by.

use crate::random::Random;

/// Numbers at the edges of what a length or a count can be.
pub(crate) const EDGES: [u64; 22] = [
    0,
    1,
    2,
    3,
    7,
    63,
    64,
    127,
    128,
    255,
    256,
    4_095,
    4_096,
    32_767,
    65_535,
    1 << 20,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    i64::MAX.cast_unsigned(),
    u64::MAX - 1,
    u64::MAX,
];

/// Texts that mean something to some decoder.
const WORDS: [&[u8]; 16] = [
    b"null",
    b"\"\"",
    b"{}",
    b"[]",
    b"-1",
    b"1e999",
    b"\\ud800",
    b"\\u0000",
    b"\xf0\x9f",
    b"\x1f",
    b"../",
    b"%00",
    b"\n",
    b"MSWG",
    b"MSSH",
    b"PK\x05\x06",
];

/// Some seed, changed at up to eight places; sometimes not at all.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>], longest: usize) -> Vec<u8> {
    let mut bytes = random.pick(seeds).cloned().unwrap_or_default();
    for _ in 0..random.below(9) {
        change(random, &mut bytes, seeds);
    }
    bytes.truncate(longest);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.below(bytes.len());
    match random.below(11) {
        0 | 1 => flip(random, bytes, at),
        2 => overwrite(bytes, at, &[random.byte()]),
        3 | 4 => number(random, bytes, at),
        5 => bytes.truncate(at),
        6 => drop(bytes.splice(at..at, random.pick(&WORDS).copied().unwrap_or_default().to_vec())),
        7 => {
            let part = part(random, bytes);
            let at = random.below(bytes.len() + 1);
            drop(bytes.splice(at..at, part));
        }
        8 => {
            let end = at + random.below((bytes.len() - at).min(256) + 1);
            drop(bytes.drain(at..end));
        }
        9 => {
            // The head of this one and the tail of another.
            let other = random.pick(seeds).cloned().unwrap_or_default();
            let from = random.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let part = part(random, bytes);
            overwrite(bytes, at, &part);
        }
    }
}

fn part(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let start = random.below(bytes.len());
    let length = random.below((bytes.len() - start).min(512) + 1);
    bytes[start..start + length].to_vec()
}

fn flip(random: &mut Random, bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// As much as fits.
fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    let room = bytes.get_mut(at..).unwrap_or_default();
    let length = room.len().min(with.len());
    room[..length].copy_from_slice(&with[..length]);
}

/// A number of any width, as often as not where a field would be.
fn number(random: &mut Random, bytes: &mut [u8], at: usize) {
    let edge = random.pick(&EDGES).copied().unwrap_or_default();
    let (little, big) = (edge.to_le_bytes(), edge.to_be_bytes());
    let at = if random.one_in(2) { at & !3 } else { at };
    match random.below(4) {
        0 => overwrite(bytes, at, &little[..4]),
        1 => overwrite(bytes, at, &little),
        2 => overwrite(bytes, at, &big[4..]),
        _ => overwrite(bytes, at, &little[..2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_mutant_and_another_another() {
        let seeds = vec![vec![7; 300], b"{\"a\":1}".to_vec()];
        let of = |seed| mutate(&mut Random(seed), &seeds, 1_000);
        assert_eq!(of(5), of(5));
        let kinds: std::collections::BTreeSet<_> = (0..200).map(of).collect();
        assert!(kinds.len() > 120, "{}", kinds.len());
        assert!((0..500).all(|seed| of(seed).len() <= 1_000));
    }

    #[test]
    fn nothing_can_be_mutated_too() {
        for seed in 0..500 {
            mutate(&mut Random(seed), &[], 10);
            mutate(&mut Random(seed), &[Vec::new()], 10);
        }
    }
}
