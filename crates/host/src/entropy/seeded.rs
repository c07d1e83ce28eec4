//! Chance from a seed, for simulations: the same seed and the same calls give the same bytes.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// The state of the generator; none on a thread that no simulation runs on.
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Until it is dropped, this thread's chance comes from a seed.
#[derive(Debug)]
#[must_use = "chance is the operating system's again when this is dropped"]
pub struct Seeded {
    before: Option<u64>,
    /// It belongs to the thread that made it.
    _here: PhantomData<*const ()>,
}

/// Let this thread's chance come from a seed. Other threads are not touched.
pub fn seed(seed: u64) -> Seeded {
    Seeded { before: STATE.replace(Some(seed)), _here: PhantomData }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        STATE.set(self.before);
    }
}

/// Fill from the seed; false if this thread has none.
pub(super) fn fill(bytes: &mut [u8]) -> bool {
    let Some(mut state) = STATE.get() else { return false };
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&next(&mut state).to_le_bytes()[..part.len()]);
    }
    STATE.set(Some(state));
    true
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::seed;
    use crate::entropy::{u64, uuid};

    #[test]
    fn a_seed_decides_until_it_is_dropped_and_on_its_thread_only() {
        let of = |number| {
            let _seeded = seed(number);
            (u64(), uuid())
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let _seeded = seed(7);
        let elsewhere = crate::threads::spawn("elsewhere", u64).unwrap().join().unwrap();
        assert_ne!(elsewhere, of(7).0);
        assert_ne!(u64(), u64());
    }
}
