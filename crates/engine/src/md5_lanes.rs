//! MD5 (RFC 1321) of several short texts at once.
//!
//! One MD5 is a chain of operations that wait for one another, so a processor mostly idles in it. Eight side by side, with
//! wide instructions, take about as long as two.

use wide::u32x8;

/// Texts at once.
pub(crate) const LANES: usize = 8;

/// Bytes of a block, and of a text that leaves room in it for its end mark and length.
const BLOCK: usize = 64;
const SHORT: usize = BLOCK - 9;

/// One word of each text.
type Word = u32x8;

/// The digest of each text as a number, most significant byte first; nothing if one of them is longer than one block
/// takes.
pub(crate) fn digests(texts: &[&[u8]; LANES]) -> Option<[u128; LANES]> {
    let message = message(texts)?;
    let [a, b, c, d] = compress(&message).map(Word::to_array);
    let at = |word: &[u32; LANES], lane: usize| u128::from(word[lane].swap_bytes());
    Some(std::array::from_fn(|lane| {
        at(&a, lane) << 96 | at(&b, lane) << 64 | at(&c, lane) << 32 | at(&d, lane)
    }))
}

/// The texts' padded blocks, word by word (section 3.1 and 3.2).
fn message(texts: &[&[u8]; LANES]) -> Option<[Word; 16]> {
    let mut message = [[0; LANES]; 16];
    for (lane, text) in texts.iter().enumerate() {
        let mut block = [0_u8; BLOCK];
        let bits = u64::try_from(text.len()).ok().filter(|_| text.len() <= SHORT)? * 8;
        block[..text.len()].copy_from_slice(text);
        block[text.len()] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&bits.to_le_bytes());
        for (word, bytes) in message.iter_mut().zip(block.chunks_exact(4)) {
            word[lane] = u32::from_le_bytes(bytes.try_into().unwrap_or_default());
        }
    }
    Some(message.map(Word::from))
}

const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The table T of section 3.4, sixteen for each round: 2^32 times the sines of 1, 2, 3 ….
const SINES: [[u32; 16]; 4] = [
    [
        0xd76a_a478,
        0xe8c7_b756,
        0x2420_70db,
        0xc1bd_ceee,
        0xf57c_0faf,
        0x4787_c62a,
        0xa830_4613,
        0xfd46_9501,
        0x6980_98d8,
        0x8b44_f7af,
        0xffff_5bb1,
        0x895c_d7be,
        0x6b90_1122,
        0xfd98_7193,
        0xa679_438e,
        0x49b4_0821,
    ],
    [
        0xf61e_2562,
        0xc040_b340,
        0x265e_5a51,
        0xe9b6_c7aa,
        0xd62f_105d,
        0x0244_1453,
        0xd8a1_e681,
        0xe7d3_fbc8,
        0x21e1_cde6,
        0xc337_07d6,
        0xf4d5_0d87,
        0x455a_14ed,
        0xa9e3_e905,
        0xfcef_a3f8,
        0x676f_02d9,
        0x8d2a_4c8a,
    ],
    [
        0xfffa_3942,
        0x8771_f681,
        0x6d9d_6122,
        0xfde5_380c,
        0xa4be_ea44,
        0x4bde_cfa9,
        0xf6bb_4b60,
        0xbebf_bc70,
        0x289b_7ec6,
        0xeaa1_27fa,
        0xd4ef_3085,
        0x0488_1d05,
        0xd9d4_d039,
        0xe6db_99e5,
        0x1fa2_7cf8,
        0xc4ac_5665,
    ],
    [
        0xf429_2244,
        0x432a_ff97,
        0xab94_23a7,
        0xfc93_a039,
        0x655b_59c3,
        0x8f0c_cc92,
        0xffef_f47d,
        0x8584_5dd1,
        0x6fa8_7e4f,
        0xfe2c_e6e0,
        0xa301_4314,
        0x4e08_11a1,
        0xf753_7e82,
        0xbd3a_f235,
        0x2ad7_d2bb,
        0xeb86_d391,
    ],
];

/// Section 3.4, for one block.
fn compress(message: &[Word; 16]) -> [Word; 4] {
    let start = START.map(Word::splat);
    let [first, second, third, fourth] = &SINES;
    let word = |step| step;
    let state = round::<7, 12, 17, 22>(start, message, first, word, |b, c, d| d ^ (b & (c ^ d)));
    let word = |step| 5 * step + 1;
    let state = round::<5, 9, 14, 20>(state, message, second, word, |b, c, d| c ^ (d & (b ^ c)));
    let word = |step| 3 * step + 5;
    let state = round::<4, 11, 16, 23>(state, message, third, word, |b, c, d| b ^ c ^ d);
    let word = |step| 7 * step;
    let state = round::<6, 10, 15, 21>(state, message, fourth, word, |b, c, d| c ^ (b | !d));
    std::array::from_fn(|word| start[word] + state[word])
}

/// Sixteen steps: `word` says which word of the message a step takes, `mix` is the round's auxiliary function, and the
/// constants are how far the steps rotate in turn.
#[inline]
fn round<const R0: i32, const R1: i32, const R2: i32, const R3: i32>(
    [mut a, mut b, mut c, mut d]: [Word; 4],
    message: &[Word; 16],
    sines: &[u32; 16],
    word: impl Fn(usize) -> usize,
    mix: impl Fn(Word, Word, Word) -> Word,
) -> [Word; 4] {
    let input = |step: usize| message[word(step) % 16] + Word::splat(sines[step]);
    for step in [0, 4, 8, 12] {
        a = rotated::<R0>(a + mix(b, c, d) + input(step)) + b;
        d = rotated::<R1>(d + mix(a, b, c) + input(step + 1)) + a;
        c = rotated::<R2>(c + mix(d, a, b) + input(step + 2)) + d;
        b = rotated::<R3>(b + mix(c, d, a) + input(step + 3)) + c;
    }
    [a, b, c, d]
}

#[inline]
fn rotated<const BITS: i32>(word: Word) -> Word {
    (word << BITS) | (word >> (32 - BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};

    fn plain(text: &[u8]) -> u128 {
        u128::from_be_bytes(Md5::digest(text).into())
    }

    #[test]
    fn each_lane_is_the_md5_of_its_text() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..=SHORT {
            let texts: [&[u8]; LANES] = std::array::from_fn(|lane| match lane {
                0 => &bytes[..length],
                7 => &bytes[..SHORT - length],
                lane => &bytes[lane * 30..lane * 30 + length / lane],
            });
            assert_eq!(digests(&texts).unwrap(), texts.map(plain), "{length}");
        }
    }

    #[test]
    fn a_text_that_fills_the_block_is_left_to_others() {
        let long = [b'x'; SHORT + 1];
        let mut texts: [&[u8]; LANES] = [b""; LANES];
        texts[3] = &long;
        assert_eq!(digests(&texts), None);
        texts[3] = &long[1..];
        assert_eq!(digests(&texts).unwrap()[3], plain(&long[1..]));
    }
}
