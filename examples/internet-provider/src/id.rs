//! Ids of sign-ups: UUIDs of version 8 that hold the run and a counter.
//!
//! Because an id tells its run and its place in it, the tracker can name every duplicate of a run without
//! remembering every sign-up that it has seen.

const COUNTER_BITS: u32 = 62;
const COUNTER_MASK: u128 = (1 << COUNTER_BITS) - 1;

/// 60 bits that tell one run of the application from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run(u64);

impl Run {
    pub(crate) fn new(entropy: u64) -> Self {
        Self(entropy >> 4)
    }

    /// The id of the sign-up with this number, as a UUID in its usual form.
    pub(crate) fn id(self, number: u64) -> String {
        let run = u128::from(self.0);
        let value = (run >> 12) << 80
            | 0x8 << 76
            | (run & 0xfff) << 64
            | 0b10 << COUNTER_BITS
            | (u128::from(number) & COUNTER_MASK);
        let hex = format!("{value:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// The number of a sign-up of this run; `None` for an id of another run, or of another kind.
    pub(crate) fn number(self, id: &str) -> Option<u64> {
        if id.len() != 36 {
            return None;
        }
        let value = u128::from_str_radix(&id.replace('-', ""), 16).ok()?;
        let number = u64::try_from(value & COUNTER_MASK).ok()?;
        (self.id(number) == id).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_number_to_its_own_run_only() {
        let (run, other) = (Run::new(0xdead_beef_0123_4567), Run::new(1));
        for number in [0, 1, 77, u64::MAX >> 2] {
            let id = run.id(number);
            assert_eq!(run.number(&id), Some(number));
            assert_eq!(other.number(&id), None);
            assert_eq!((&id[14..15], id.len()), ("8", 36));
        }
        assert_eq!(run.number("nonsense"), None);
        assert_eq!(run.number(&"é".repeat(18)), None);
    }
}
