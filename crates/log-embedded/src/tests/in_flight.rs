//! Torn tail or damage, with several groups in flight. The writer has one in flight today; the rule that recovery
//! follows is sound for more, over stale groups of an older incarnation, and this is where that is tried.

use super::fixture::{FILE_BYTES, Random, Shadow, batch, commit, observe, open, options};
use crate::embedded::Core;
use crate::error::OpenError;
use crate::queue::Work;
use crate::wal::entry::Entry;
use crate::wal::files::{self, FIRST_GROUP, FileHeader};
use crate::wal::group::{BLOCK, GroupHeader, padded};
use millstream_host::disk::SimDisk;
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};

const SHARD: LogShard = LogShard(0);

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

/// A group of one batch (the first one makes the shard), padded.
fn group(salt: u64, number: u64, durable: u64, random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    let mut entries = 1;
    if number == 1 {
        Entry::Create { shard: SHARD, class: RetentionClass::Forever }.encode(&mut body);
        entries += 1;
    }
    // One record a group, so that a position tells its group; one to three blocks.
    let length = size(random.below(2 * BLOCK));
    let batch = millstream_log::Batch::single(Timestamp::ZERO, &vec![random.next().to_le_bytes()[0]; length]);
    let first = Position(number - 1);
    let entry = Entry::Append {
        shard: SHARD,
        first,
        timestamp: batch.timestamp,
        count: 1,
        crc: batch.crc,
        body: &batch.body,
    };
    entry.encode(&mut body);
    let length = u32::try_from(body.len()).unwrap();
    let header = GroupHeader { salt, number, durable, length, entries, body_crc: crc32c::crc32c(&body) };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&body);
    bytes.resize(size(padded(header.bytes())), 0);
    bytes
}

struct History {
    disk: SimDisk,
    image: Vec<u8>,
    /// Where each group starts and how long header and entries are; group 1 first.
    places: Vec<(usize, usize)>,
    durable: u64,
}

/// A file with stale groups of an older salt, then groups of ours, up to `window` of them in flight at a crash.
fn history(random: &mut Random) -> History {
    let disk = SimDisk::new(random.next());
    drop(open(&disk, 0).unwrap());
    let name = files::name(1);
    let mut image = disk.contents(&name).unwrap();
    let salt = FileHeader::decode(&image, 1).unwrap().salt;
    let fill = |image: &mut [u8], random: &mut Random, salt| {
        let (mut at, mut number) = (size(FIRST_GROUP), 0);
        loop {
            number += 1;
            let group = group(salt, number, number - 1, random);
            let Some(place) = image.get_mut(at..at + group.len()) else { return };
            place.copy_from_slice(&group);
            at += group.len();
        }
    };
    fill(&mut image, random, salt ^ 1);
    let window = 1 + random.below(4);
    let (mut at, mut durable) = (size(FIRST_GROUP), 0);
    let mut places = Vec::new();
    let mut pending: Vec<(usize, Vec<u8>)> = Vec::new();
    for number in 1..=random.below(8) + 1 {
        if pending.len() as u64 >= window || (!pending.is_empty() && random.one_in(3)) {
            for (at, group) in pending.drain(..) {
                image[at..at + group.len()].copy_from_slice(&group);
            }
            durable = number - 1;
        }
        let group = group(salt, number, durable, random);
        if at + group.len() > image.len() {
            break;
        }
        let length = group.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        places.push((at, length));
        at += group.len();
        pending.push((at - group.len(), group));
    }
    for (at, group) in pending {
        for (block, bytes) in group.chunks(size(BLOCK)).enumerate() {
            if random.one_in(2) {
                let start = at + block * size(BLOCK);
                image[start..start + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
    History { disk, image, places, durable }
}

fn tail(core: &Core) -> u64 {
    core.shared.shards.get(SHARD).map_or(0, |shard| shard.tail().unwrap().current().0)
}

/// What was not acknowledged may be there or not; but once it is not, it never comes back.
fn go_on(history: &History, core: Core, random: &mut Random) {
    let before = tail(&core);
    let mut core = core;
    let create = Work::Create(SHARD, RetentionClass::Forever);
    let works = vec![create, Work::Append(vec![(SHARD, batch(random))])];
    let mut expected: Shadow = observe(&core, 1, random).unwrap();
    for work in &works {
        expected.apply(work).unwrap();
    }
    let outcomes = commit(&mut core, works);
    if outcomes.iter().any(Result::is_err) {
        // The torn groups were in the last block of a file and the batch found no room: nothing to see.
        assert_eq!(tail(&core), before);
        return;
    }
    drop(core);
    history.disk.crash();
    let core = open(&history.disk, 0).unwrap();
    assert_eq!(observe(&core, 1, random).unwrap(), expected, "a torn group came back");
}

#[test]
fn torn_tails_are_told_from_damage() {
    let (mut clean, mut found, mut missed) = (0, 0, 0);
    for seed in 0..1_500 {
        let random = &mut Random(seed);
        let mut history = history(random);
        let rot = (history.durable > 0 && random.one_in(2)).then(|| 1 + random.below(history.durable));
        if let Some(rot) = rot {
            let (start, length) = history.places[size(rot - 1)];
            let at = start + size(random.below(length as u64));
            history.image[at] ^= 1 << random.below(8);
        }
        history.disk.plant(&files::name(1), &history.image);
        match (rot, open(&history.disk, 0)) {
            (None, Ok(core)) => {
                assert!(tail(&core) >= history.durable, "seed {seed}: acknowledged groups were lost");
                go_on(&history, core, random);
                clean += 1;
            }
            (None, Err(error)) => panic!("seed {seed}: a false alarm: {error}"),
            (Some(rot), Err(OpenError::Corrupt { group, offset, .. })) => {
                assert_eq!(group, rot, "seed {seed}");
                assert_eq!(size(offset), history.places[size(rot - 1)].0, "seed {seed}");
                found += 1;
            }
            (Some(_), Err(error)) => panic!("seed {seed}: {error}"),
            (Some(rot), Ok(core)) => {
                // The known limit: the groups synced last have no witness.
                assert!(tail(&core) < rot, "seed {seed}: a damaged group was served");
                missed += 1;
            }
        }
    }
    assert!(clean > 500 && found > 300, "{clean} clean, {found} found, {missed} missed");
    assert_eq!(options(&SimDisk::new(0), 0).wal_file_bytes, FILE_BYTES);
}
