//! Decimal digits into a buffer: the general formatting machinery costs more than all else in a record's answer.

/// Digits of one step: as many as always fit into 64 bits.
const STEP: usize = 18;
const STEP_RANGE: u64 = 1_000_000_000_000_000_000;

const PAIRS: [[u8; 2]; 100] = pairs();

/// Fills `out` with the decimal digits of `value`, zeros in front. Digits that find no place are lost.
pub(crate) fn fill(out: &mut [u8], mut value: u128) {
    for step in out.rchunks_mut(STEP) {
        if value == 0 {
            step.fill(b'0');
            continue;
        }
        let low;
        (value, low) = divide(value);
        fill_step(step, low);
    }
}

/// By [`STEP_RANGE`]. Most numbers are small, and 128 bits are slow to divide.
fn divide(value: u128) -> (u128, u64) {
    if let Ok(small) = u64::try_from(value) {
        return (u128::from(small / STEP_RANGE), small % STEP_RANGE);
    }
    let rest = value / u128::from(STEP_RANGE);
    let low = value - rest * u128::from(STEP_RANGE);
    (rest, u64::try_from(low).unwrap_or_default())
}

/// As [`fill`], for at most [`STEP`] digits.
pub(crate) fn fill_step(out: &mut [u8], mut value: u64) {
    out.fill(b'0');
    for pair in out.rchunks_mut(2) {
        if value == 0 {
            return;
        }
        let index = usize::try_from(value % 100).unwrap_or_default();
        let [tens, ones] = PAIRS[index];
        match pair {
            [first, second] => (*first, *second) = (tens, ones),
            [only] => *only = ones,
            _ => {}
        }
        value /= 100;
    }
}

const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[b'0'; 2]; 100];
    let mut index = 0;
    let mut tens = b'0';
    while tens <= b'9' {
        let mut ones = b'0';
        while ones <= b'9' {
            pairs[index] = [tens, ones];
            index += 1;
            ones += 1;
        }
        tens += 1;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn as_the_standard_library_writes_them() {
        let mut value = 1_u128;
        for shift in 0..400_u32 {
            let mut out = [0; 54];
            fill(&mut out, value);
            assert_eq!(std::str::from_utf8(&out).unwrap(), format!("{value:054}"));
            value = value.wrapping_mul(3).wrapping_add(u128::from(shift)) ^ (value >> 97);
        }
        for value in [0, 9, 10, 99, 100, u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX] {
            let mut out = [0; 39];
            fill(&mut out, value);
            assert_eq!(std::str::from_utf8(&out).unwrap(), format!("{value:039}"));
        }
    }

    #[test]
    fn what_has_no_place_is_lost() {
        let mut out = [0; 3];
        fill(&mut out, 12_345);
        assert_eq!(&out, b"345");
    }
}
