//! Whatever stands on the disk, opening it ends in a log or in an error, never in a panic.

use super::fixture::{Random, batch, commit, observe, open};
use crate::queue::Work;
use crate::shard::Source;
use crate::wal::entry::Entry;
use crate::wal::files::{self, FileHeader};
use crate::wal::group::{Found, GroupHeader, HEADER};
use millstream_host::disk::SimDisk;
use millstream_log::{ReadLimit, RetentionClass};
use millstream_types::{LogShard, Position};

fn noise(random: &mut Random, length: u64) -> Vec<u8> {
    (0..random.below(length)).map(|_| random.next().to_le_bytes()[0]).collect()
}

#[test]
fn arbitrary_bytes_are_no_panic() {
    for seed in 0..20_000 {
        let random = &mut Random(seed);
        let mut bytes = noise(random, 200);
        assert_eq!(GroupHeader::find(&bytes, random.next()), Found::Nothing);
        assert!(FileHeader::decode(&bytes, 1).is_err());
        if let Some(kind) = bytes.first_mut() {
            *kind %= 7;
        }
        if let Some(length) = bytes.get_mut(33..36) {
            length.fill(0);
        }
        let mut rest = bytes.as_slice();
        while let Ok((_, after)) = Entry::decode(rest) {
            assert!(after.len() < rest.len());
            rest = after;
        }
    }
}

/// Damage with checksums that agree, as a faulty program would write it.
#[test]
fn well_formed_nonsense_is_an_error_and_no_panic() {
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..400 {
        let random = &mut Random(seed);
        let disk = SimDisk::new(seed);
        let mut core = open(&disk, 0).unwrap();
        let shard = LogShard(0);
        for _ in 0..4 {
            let append = Work::Append(vec![(shard, batch(random)), (shard, batch(random))]);
            commit(&mut core, vec![Work::Create(shard, RetentionClass::Hours(24)), append]);
        }
        drop(core);
        let mut image = disk.contents(&files::name(1)).unwrap();
        let salt = FileHeader::decode(&image, 1).unwrap().salt;
        let start = usize::try_from(files::FIRST_GROUP).unwrap();
        let Found::Header(mut header) = GroupHeader::find(&image[start..], salt) else { panic!("a group") };
        for _ in 0..=random.below(4) {
            let at = start + HEADER + usize::try_from(random.below(u64::from(header.length))).unwrap();
            image[at] = random.next().to_le_bytes()[0];
        }
        if random.one_in(4) {
            header.entries = u32::try_from(random.below(9)).unwrap();
        }
        let body = start + HEADER..start + HEADER + header.length as usize;
        header.body_crc = crc32c::crc32c(&image[body]);
        image[start..start + HEADER].copy_from_slice(&header.encode());
        disk.plant(&files::name(1), &image);
        match open(&disk, 0) {
            Ok(core) => {
                // What is served is intact by its own checksum; the rest is an error.
                drop(observe(&core, 1, random));
                opened += 1;
            }
            Err(error) => {
                assert!(error.to_string().len() > 20);
                refused += 1;
            }
        }
    }
    assert!(opened > 20 && refused > 20, "{opened} opened, {refused} refused");
}

#[test]
fn damage_is_not_served_and_the_rest_is() {
    let disk = SimDisk::new(1);
    let random = &mut Random(1);
    let mut core = open(&disk, 0).unwrap();
    let shard = LogShard(3);
    commit(&mut core, vec![Work::Create(shard, RetentionClass::Forever)]);
    for _ in 0..3 {
        commit(&mut core, vec![Work::Append(vec![(shard, batch(random))])]);
    }
    let everything = ReadLimit { records: usize::MAX, bytes: usize::MAX };
    let sources = core.shared.shards.get(shard).unwrap().plan(Position::ZERO, everything).unwrap().sources;
    let places: Vec<_> = sources
        .iter()
        .map(|source| match source {
            Source::Wal(place) => *place,
            other => panic!("nothing is in memory or in a segment: {other:?}"),
        })
        .collect();
    assert_eq!(places.len(), 3);
    disk.flip_bit(&files::name(places[1].file), u64::from(places[1].offset) + 41, 3).unwrap();
    let fetch = |place| core.shared.reader.fetch_all(shard, &[Source::Wal(place)]);
    assert!(fetch(places[0]).is_ok());
    let error = fetch(places[1]).unwrap_err();
    let position = places[1].first;
    assert!(matches!(error.error, millstream_log::ReadError::Corrupt { position: at, .. } if at == position));
    assert!(fetch(places[2]).is_ok());
    assert!(core.shared.reader.fetch_all(LogShard(4), &sources[..1]).is_err(), "another shard's batch");
}
