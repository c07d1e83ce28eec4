//! What may happen. Whatever is picked is picked among what there is, so that a history with steps left out is one too.

use proptest::collection::vec;
use proptest::prelude::*;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600_000;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One call, with records anywhere in the hash space.
    Put {
        places: Vec<u8>,
        large: bool,
    },
    Pass {
        millis: u64,
    },
    /// How long the log takes for what is appended from now on, in milliseconds.
    LogTakes {
        records: u64,
        control: u64,
    },
    Split {
        shard: u8,
    },
    Merge {
        shard: u8,
    },
    Register {
        name: u8,
    },
    Deregister {
        name: u8,
    },
    /// Deregister it, and register one of its name as soon as that is possible.
    Replace {
        name: u8,
    },
    Subscribe {
        name: u8,
        shard: u8,
        from: From,
        /// Its client does not read at once.
        later: bool,
    },
    /// Go on where a subscription stands, whether it is over or not.
    Continue {
        subscription: u8,
    },
    /// Its client reads no more for now.
    Pause {
        subscription: u8,
    },
    /// All clients read.
    ReadOn,
    HangUp {
        subscription: u8,
    },
    /// Delete the stream, and make another one of its name.
    Recreate,
}

#[derive(Clone, Debug)]
pub(crate) enum From {
    TrimHorizon,
    Latest,
    AtRecord(u8),
    AfterRecord(u8),
    /// So many milliseconds before now.
    Ago(u64),
    /// When a record arrived.
    WithRecord(u8),
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..3 * SECOND,
        4 => 4_950..5_050_u64,
        2 => Just(5 * SECOND),
        4 => 5 * SECOND..20 * SECOND,
        2 => 299 * SECOND..301 * SECOND,
        // Records of the beginning are about to expire, or have.
        2 => 24 * HOUR - 400 * SECOND..24 * HOUR + 5 * SECOND,
        1 => 12 * HOUR..13 * HOUR,
    ]
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        4 => Just(From::TrimHorizon),
        2 => Just(From::Latest),
        1 => any::<u8>().prop_map(From::AtRecord),
        1 => any::<u8>().prop_map(From::AfterRecord),
        1 => (0..20 * SECOND).prop_map(From::Ago),
        1 => any::<u8>().prop_map(From::WithRecord),
    ]
}

fn delays() -> impl Strategy<Value = Step> {
    let records = prop_oneof![2 => Just(0_u64), 1 => 1..3 * SECOND];
    let control = prop_oneof![2 => Just(0_u64), 2 => 1..100_u64, 2 => SECOND..12 * SECOND];
    (records, control).prop_map(|(records, control)| Step::LogTakes { records, control })
}

fn step() -> impl Strategy<Value = Step> {
    let large = prop_oneof![12 => Just(false), 1 => Just(true)];
    prop_oneof![
        16 => (vec(any::<u8>(), 1..5), large).prop_map(|(places, large)| Step::Put { places, large }),
        16 => time().prop_map(|millis| Step::Pass { millis }),
        4 => delays(),
        3 => any::<u8>().prop_map(|shard| Step::Split { shard }),
        2 => any::<u8>().prop_map(|shard| Step::Merge { shard }),
        3 => any::<u8>().prop_map(|name| Step::Register { name }),
        2 => any::<u8>().prop_map(|name| Step::Deregister { name }),
        2 => any::<u8>().prop_map(|name| Step::Replace { name }),
        10 => (any::<u8>(), any::<u8>(), from(), prop_oneof![5 => Just(false), 1 => Just(true)])
            .prop_map(|(name, shard, from, later)| Step::Subscribe { name, shard, from, later }),
        10 => any::<u8>().prop_map(|subscription| Step::Continue { subscription }),
        2 => any::<u8>().prop_map(|subscription| Step::Pause { subscription }),
        2 => Just(Step::ReadOn),
        1 => any::<u8>().prop_map(|subscription| Step::HangUp { subscription }),
        1 => Just(Step::Recreate),
    ]
}

pub(crate) fn history(at_most: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..=at_most)
}
