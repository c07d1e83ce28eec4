//! Where in a shard's hash range its load is, in little memory.

use millstream_types::{HashKey, HashRange};

/// Equal parts of the range that are told apart.
const CELLS: usize = 64;

/// Keys that are watched as the heaviest.
const HEAVY: usize = 8;

/// A sketch of a shard's load over its hash range: how much falls into each of 64 parts, and which single hash keys weigh
/// most (Misra and Gries: whatever has more than a ninth of the load is among them, and none is taken for heavier than it is).
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    range: HashRange,
    cells: [u64; CELLS],
    heavy: Vec<(HashKey, u64)>,
    total: u64,
}

/// Where to divide a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Half of the load is on either side, as nearly as is known. The second half begins at the key.
    Even(HashKey),
    /// On the way to a shard for one hot key alone. The second half begins at `at`.
    Isolate { hot: HashKey, at: HashKey },
}

impl Cut {
    /// The first hash key of the second half.
    pub(crate) fn at(self) -> HashKey {
        match self {
            Self::Even(at) | Self::Isolate { at, .. } => at,
        }
    }
}

impl Sketch {
    pub(crate) fn new(range: HashRange) -> Self {
        Self { range, cells: [0; CELLS], heavy: Vec::with_capacity(HEAVY), total: 0 }
    }

    /// Count `weight` at a key. What is outside of the range says nothing about it.
    pub(crate) fn add(&mut self, key: HashKey, weight: u64) {
        if !self.range.contains(key) {
            return;
        }
        let cell = usize::try_from((key.0 - self.range.start.0) / self.width()).unwrap_or(CELLS - 1);
        self.cells[cell.min(CELLS - 1)] += weight;
        self.total += weight;
        self.watch(key, weight);
    }

    fn watch(&mut self, key: HashKey, weight: u64) {
        if let Some((_, count)) = self.heavy.iter_mut().find(|(known, _)| *known == key) {
            *count += weight;
            return;
        }
        let mut weight = weight;
        if self.heavy.len() == HEAVY {
            let least = self.heavy.iter().map(|(_, count)| *count).min().unwrap_or(0).min(weight);
            for (_, count) in &mut self.heavy {
                *count -= least;
            }
            self.heavy.retain(|(_, count)| *count > 0);
            weight -= least;
        }
        if weight > 0 {
            self.heavy.push((key, weight));
        }
    }

    /// Let what was count for half: what comes counts for more.
    pub(crate) fn fade(&mut self) {
        for cell in &mut self.cells {
            *cell /= 2;
        }
        self.total = self.cells.iter().sum();
        for (_, count) in &mut self.heavy {
            *count /= 2;
        }
        self.heavy.retain(|(_, count)| *count > 0);
    }

    /// Where to divide the shard. Nothing where that does not help: it has a single hash key, or nearly all of its load is
    /// on one.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let HashRange { start, end } = self.range;
        if start == end {
            return None;
        }
        let heaviest = self.heavy.iter().max_by_key(|(key, count)| (*count, *key));
        if let Some((hot, weight)) = heaviest {
            let rest = self.total.saturating_sub(*weight);
            // Nearly all: the key's own shard would be as hot.
            if rest.saturating_mul(50) < self.total {
                return None;
            }
            if weight.saturating_mul(3) >= self.total {
                let at = if *hot > start { *hot } else { HashKey(hot.0 + 1) };
                return Some(Cut::Isolate { hot: *hot, at });
            }
        }
        self.even()
    }

    /// The border between cells that has the most equal loads on its sides; the middle if nothing is known.
    fn even(&self) -> Option<Cut> {
        let HashRange { start, end } = self.range;
        if self.total == 0 {
            return Some(Cut::Even(HashKey(start.0 + (end.0 - start.0) / 2 + 1)));
        }
        let mut before = 0;
        let mut best: Option<(u64, HashKey)> = None;
        for (cell, count) in (1_u128..).zip(&self.cells) {
            before += count;
            let border = cell.checked_mul(self.width()).and_then(|from| start.0.checked_add(from));
            let Some(border) = border.filter(|border| *border <= end.0) else { break };
            let apart = self.total.abs_diff(before.saturating_mul(2));
            if best.is_none_or(|(least, _)| apart < least) {
                best = Some((apart, HashKey(border)));
            }
        }
        best.map(|(_, border)| Cut::Even(border))
    }

    /// Hash keys of a cell.
    fn width(&self) -> u128 {
        (self.range.end.0 - self.range.start.0) / CELLS as u128 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: HashRange = HashRange { start: HashKey(0), end: HashKey(u128::MAX) };

    fn range(start: u128, end: u128) -> HashRange {
        HashRange { start: HashKey(start), end: HashKey(end) }
    }

    #[test]
    fn an_even_load_is_cut_in_the_middle() {
        let mut sketch = Sketch::new(ALL);
        assert_eq!(sketch.cut().map(Cut::at), Some(HashKey(1 << 127)), "nothing is known");
        for part in 0..1_000_u128 {
            sketch.add(HashKey(u128::MAX / 1_000 * part), 1);
        }
        assert_eq!(sketch.cut(), Some(Cut::Even(HashKey(1 << 127))));
    }

    #[test]
    fn an_uneven_load_is_cut_where_it_divides() {
        let mut sketch = Sketch::new(ALL);
        for part in 0..1_000_u128 {
            // All in the first quarter.
            sketch.add(HashKey((u128::MAX / 4_000) * part), 1);
        }
        assert_eq!(sketch.cut(), Some(Cut::Even(HashKey(1 << 125))));
    }

    #[test]
    fn a_hot_key_is_isolated_step_by_step() {
        let hot = HashKey(12_345);
        let mut whole = range(0, u128::MAX);
        let mut steps = 0;
        while whole.start != whole.end {
            let mut sketch = Sketch::new(whole);
            for other in 0..1_000_u128 {
                sketch.add(HashKey(u128::MAX / 1_000 * other), 1);
                sketch.add(hot, 1);
            }
            let Some(cut) = sketch.cut() else { break };
            assert!(matches!(cut, Cut::Isolate { hot: found, .. } if found == hot), "{cut:?}");
            whole = if hot >= cut.at() {
                range(cut.at().0, whole.end.0)
            } else {
                range(whole.start.0, cut.at().0 - 1)
            };
            steps += 1;
        }
        assert!(whole.contains(hot));
        assert!(steps <= 2, "{steps}");
    }

    #[test]
    fn one_key_alone_cannot_be_helped() {
        let mut sketch = Sketch::new(ALL);
        for _ in 0..1_000 {
            sketch.add(HashKey(7), 1);
        }
        assert_eq!(sketch.cut(), None);
        assert_eq!(Sketch::new(range(7, 7)).cut(), None);
        assert_eq!(Sketch::new(range(7, 8)).cut().map(Cut::at), Some(HashKey(8)));
    }

    #[test]
    fn a_cut_is_always_within_the_range() {
        let mut number = 1_u64;
        let mut random = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u128::from(number >> 20)
        };
        for round in 0..2_000_u32 {
            let start = random() << (round % 80);
            let end = start + (random() >> (round % 44));
            let mut sketch = Sketch::new(range(start, end));
            for _ in 0..round % 50 {
                let key = start + random() % (end - start + 1);
                sketch.add(HashKey(key), 1 + u64::from(round % 7));
                if round % 3 == 0 {
                    sketch.fade();
                }
            }
            if let Some(cut) = sketch.cut() {
                assert!(start < cut.at().0 && cut.at().0 <= end, "{start}..={end}: {cut:?}");
            }
        }
    }

    #[test]
    fn what_was_fades() {
        let mut sketch = Sketch::new(ALL);
        sketch.add(HashKey(7), 1_000);
        for _ in 0..12 {
            sketch.fade();
        }
        for part in 0..100_u128 {
            sketch.add(HashKey(u128::MAX / 100 * part), 1);
        }
        assert!(matches!(sketch.cut(), Some(Cut::Even(_))));
    }
}
