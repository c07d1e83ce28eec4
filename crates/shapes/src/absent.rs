/// Which required members of a structure a request left out, as a bit per required member in model order.
///
/// A structure made by code has nothing absent (the default); a decoder starts with everything absent and clears a bit
/// for each member it meets. Validation turns what is left into `Member must not be null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Absent(u64);

impl Absent {
    /// The first `required` members absent. The generator refuses structures with more than 64 required members.
    #[must_use]
    pub const fn all(required: u32) -> Self {
        if required >= 64 { Self(u64::MAX) } else { Self((1 << required) - 1) }
    }

    pub const fn clear(&mut self, member: u32) {
        self.0 &= !(1 << member);
    }

    pub const fn contains(self, member: u32) -> bool {
        self.0 >> member & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::Absent;

    #[test]
    fn members_leave_one_by_one() {
        let mut absent = Absent::all(3);
        absent.clear(1);
        assert!(absent.contains(0) && !absent.contains(1) && absent.contains(2) && !absent.contains(3));
        assert!(Absent::all(64).contains(63));
        assert!(!Absent::default().contains(0));
    }
}
