//! Every decoder of bytes that somebody else wrote (a disk that rots, a client that lies), fed with mutations of good
//! ones.
//!
//! A [`Target`] is one decoder and what must hold of it, whatever it is given: it does not panic, it does not take much
//! more memory than its input has bytes, what it reads it can write and read again, and a few laws of its own. It is run
//! in two ways: by libFuzzer, guided by coverage (`fuzzers/`, `cargo xtask fuzz`), and with seeded mutations on plain
//! stable Rust (`tests/`, `cargo xtask test`).
//!
//! Most formats have checksums, and a mutation is stopped there. So a target may know how to repair them: it is then run
//! twice, with the bytes as they are and with every checksum made right again.

mod memory;
mod mutate;
mod random;
mod seeds;
mod targets;

pub use memory::{Scope, most_held};
pub use mutate::mutate;
pub use random::Random;
pub use targets::TARGETS;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was understood.
    Read,
    /// It was refused, which is no failure.
    Refused,
}

impl Verdict {
    pub(crate) fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Read } else { Self::Refused }
    }
}

/// One decoder.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    /// What is decoded, for a list of targets.
    pub about: &'static str,
    /// Good inputs; where there are golden files, those.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes checksums right.
    pub repair: Option<fn(&mut Vec<u8>)>,
    /// Decodes, and panics if a law is broken.
    pub check: fn(&[u8]) -> Verdict,
    /// The longest input worth trying, in bytes.
    pub longest: usize,
    /// Memory that it may take: so many bytes, and so many more for each byte of input.
    pub memory: (usize, usize),
    pub scope: Scope,
    /// Mutants that the tests try.
    pub tries: u64,
}

impl Target {
    /// Check one input, and once more with its checksums repaired. What became of it at best.
    ///
    /// # Panics
    /// If a law is broken.
    pub fn run(&self, input: &[u8]) -> Verdict {
        let input = &input[..input.len().min(self.longest)];
        let verdict = self.run_once(input);
        let Some(repair) = self.repair else { return verdict };
        let mut repaired = input.to_vec();
        repair(&mut repaired);
        if repaired == input || self.run_once(&repaired) == Verdict::Refused {
            verdict
        } else {
            Verdict::Read
        }
    }

    fn run_once(&self, input: &[u8]) -> Verdict {
        let (verdict, held) = most_held(self.scope, || (self.check)(input));
        let (base, each) = self.memory;
        let most = base + each * input.len();
        assert!(held <= most, "{}: {} bytes of input took {held} bytes of memory", self.name, input.len());
        verdict
    }

    /// The mutant that a seed gives.
    pub fn mutant(&self, seeds: &[Vec<u8>], seed: u64) -> Vec<u8> {
        mutate(&mut Random(seed), seeds, self.longest)
    }
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Run a target, for the programs of libFuzzer.
///
/// # Panics
/// If a law is broken, or there is no such target.
pub fn fuzz(name: &str, input: &[u8]) {
    find(name).expect("every program has its target").run(input);
}
