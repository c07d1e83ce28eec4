//! Aggregated records: golden bytes, and what a random producer puts together comes back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use md5::{Digest, Md5};
use millstream_aggregation::{Aggregate, Aggregator, MAGIC, NotAggregated, UserRecord};
use proptest::prelude::*;

const HASH_KEY: &str = "340282366920938463463374607431768211455";
/// Made by AWS's Python library for aggregation (aws_kinesis_agg 1.2).
const GOLDEN: &str = "f3899ac20a036b65790a056f746865721227333430323832333636393230393338343633343633333734363037\
                      3433313736383231313435351a0708001a036f6e651a0d080110001a077a77656920c3bc1a0408001a00c9f9a0\
                      0864a03f535fbab14ac39dcd69";

fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn framed(body: &[u8]) -> Bytes {
    [&MAGIC[..], body, Md5::digest(body).as_slice()].concat().into()
}

fn user(key: &str, hash_key: Option<&str>, data: &[u8]) -> UserRecord {
    UserRecord {
        partition_key: key.to_owned(),
        explicit_hash_key: hash_key.map(str::to_owned),
        data: Bytes::copy_from_slice(data),
    }
}

fn golden() -> [UserRecord; 3] {
    [user("key", None, b"one"), user("other", Some(HASH_KEY), "zwei ü".as_bytes()), user("key", None, b"")]
}

fn put_together(records: &[UserRecord]) -> Bytes {
    let mut aggregator = Aggregator::new(usize::MAX);
    for record in records {
        assert!(aggregator.add(&record.partition_key, record.explicit_hash_key.as_deref(), &record.data));
    }
    let (size, count) = (aggregator.size(), aggregator.count());
    let data = aggregator.finish();
    assert_eq!((data.len(), count), (size, records.len()), "the size is known before");
    data
}

#[test]
fn the_bytes_are_those_of_awss_own_library() {
    assert_eq!(put_together(&golden()), unhex(GOLDEN));
    let aggregate = Aggregate::read(&unhex(GOLDEN)).unwrap();
    assert_eq!(aggregate.count(), 3);
    assert_eq!(aggregate.into_iter().collect::<Vec<_>>(), golden());
}

#[test]
fn what_is_not_well_formed_is_a_record_of_its_own() {
    let good = unhex(GOLDEN);
    for plain in [&b""[..], b"plain", &MAGIC, &good[..20], &framed(b"")] {
        assert_eq!(Aggregate::read(&Bytes::copy_from_slice(plain)).unwrap_err(), NotAggregated::Plain);
    }
    for at in 4..good.len() {
        let mut broken = good.to_vec();
        broken[at] ^= 0x40;
        assert_eq!(Aggregate::read(&broken.into()).unwrap_err(), NotAggregated::Digest, "byte {at}");
    }
    // The digest is right, the message is not.
    for body in [
        &b"\x0a"[..],
        b"\x0a\x05abc",
        b"\x1a\x02\x08\x00",
        b"\x1a\x04\x08\x00\x1a\x00",
        b"\x0a\x01k\x1a\x02\x1a\x00",
        b"\x0a\x01k\x1a\x04\x08\x01\x1a\x00",
        b"\x0a\x01k\x1a\x06\x08\x00\x10\x00\x1a\x00",
        b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00",
        b"\x0b\x0c",
        b"\x02\x00",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
    ] {
        let read = Aggregate::read(&framed(body));
        assert!(matches!(read, Err(NotAggregated::Malformed(_))), "{body:?}: {read:?}");
    }
}

#[test]
fn members_come_in_any_order_and_unknown_ones_are_passed_over() {
    // A record with a tag (member 4), an unknown member, and the tables at the end.
    let body = b"\x1a\x0a\x22\x03\x0a\x01t\x1a\x01d\x08\x00\x50\x07\x0a\x01k\x59\0\0\0\0\0\0\0\0\x5d\0\0\0\0";
    let records: Vec<_> = Aggregate::read(&framed(body)).unwrap().into_iter().collect();
    assert_eq!(records, [user("k", None, b"d")]);
    // Without a record there are none.
    assert_eq!(Aggregate::read(&framed(b"\x0a\x01k")).unwrap().into_iter().count(), 0);
}

#[test]
fn an_aggregator_is_filled_to_its_size_and_not_beyond() {
    let mut aggregator = Aggregator::new(1_000);
    let mut count = 0;
    while aggregator.add(&format!("key-{}", count % 7), None, &[7; 20]) {
        count += 1;
    }
    assert!(aggregator.size() <= 1_000 && aggregator.size() + 26 + 7 > 1_000, "{}", aggregator.size());
    let data = aggregator.finish();
    assert_eq!(Aggregate::read(&data).unwrap().into_iter().count(), count);
    let mut small = Aggregator::new(20);
    assert!(!small.add("k", None, b""), "not even one");
    assert_eq!((small.count(), small.size()), (0, 20));
}

fn records() -> impl Strategy<Value = Vec<UserRecord>> {
    let hash_key = prop::option::of((0..5_u128).prop_map(|n| (n * (u128::MAX / 5)).to_string()));
    let data = prop::collection::vec(any::<u8>(), 0..300);
    let record =
        ("[a-e]{1,2}|\\PC{1,8}", hash_key, data).prop_map(|(partition_key, explicit_hash_key, data)| {
            UserRecord { partition_key, explicit_hash_key, data: data.into() }
        });
    prop::collection::vec(record, 1..200)
}

proptest! {
    #[test]
    fn what_is_put_together_comes_back(records in records()) {
        let data = put_together(&records);
        let aggregate = Aggregate::read(&data).unwrap();
        prop_assert_eq!(aggregate.count() as usize, records.len());
        prop_assert_eq!(aggregate.into_iter().collect::<Vec<_>>(), records);
    }

    #[test]
    fn no_bytes_bring_the_reader_down(body in prop::collection::vec(any::<u8>(), 1..200)) {
        if let Ok(aggregate) = Aggregate::read(&framed(&body)) {
            let count = aggregate.count() as usize;
            prop_assert_eq!(aggregate.into_iter().count(), count);
        }
    }

    #[test]
    fn damage_to_a_good_message_is_found_or_harmless(records in records(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let data = put_together(&records);
        let mut body = data[4..data.len() - 16].to_vec();
        let at = at.index(body.len());
        body[at] ^= 1_u8 << bit;
        if let Ok(aggregate) = Aggregate::read(&framed(&body)) {
            let count = aggregate.count() as usize;
            prop_assert_eq!(aggregate.into_iter().count(), count);
        }
    }
}
