//! The codecs, with a type of our own that has all kinds of members.
//!
//! Laws: what is read can be written and reads as the same; reading without copies gives what reading with copies gives,
//! or the same error; and the other codec brings the value over unchanged.

use super::PLAIN;
use crate::{Target, Verdict};
use bytes::Bytes;
use millstream_shapes::{
    BorrowDecoder, Codec, Decode, DecodeBorrowed, DecodeError, Decoder, Encode, Encoder, RawBlob,
};
use millstream_types::Timestamp;
use millstream_wire::cbor::Cbor11;
use millstream_wire::json::Json11;
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(super) const JSON: Target = Target {
    name: "json",
    about: "JSON into a type with all kinds of members, and back",
    seeds: || {
        let mut seeds = vec![Json11.encode(&sample(2)).to_vec()];
        for text in [
            r#"{"Text":"\u00e4\ud83e\udd80\n","Blob":"aGVsbG8=","Integer":-7,"Long":9007199254740993}"#,
            r#"{"Double":1e-7,"Flag":true,"At":1700000000.123,"Unknown":[{"a":[1,null,"x"]}],"Text":null}"#,
            r#" { "List" : [ { "Map" : { "k" : { } } } , { } ] , "Child" : { "Double" : "NaN" } } "#,
        ] {
            seeds.push(text.as_bytes().to_vec());
        }
        seeds
    },
    check: |bytes| check(&Json11, &Cbor11, bytes),
    // An element of two bytes can become a structure of some hundred, and there are several copies.
    memory: (64 << 10, 1_500),
    longest: 16 << 10,
    ..PLAIN
};

pub(super) const CBOR: Target = Target {
    name: "cbor",
    about: "CBOR into a type with all kinds of members, and back",
    seeds: || {
        let mut seeds = vec![Cbor11.encode(&sample(2)).to_vec()];
        for bytes in [
            // Indefinite lengths, a text in pieces, a tagged time, half and single floats.
            &b"\xbf\x64Text\x7f\x61a\x62bc\xff\x64Blob\x5f\x41x\x41y\xff\x64List\x9f\xa0\xbf\xff\xff\xff"[..],
            b"\xa2\x62At\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00\x66Double\xf9\x3c\x00",
            b"\xa3\x67Integer\x26\x64Long\x3b\x7f\xff\xff\xff\xff\xff\xff\xff\x64Flag\xf6",
            b"\xa2\x63Map\xa1\x61k\xa0\x67Unknown\x82\x01\xd9\x01\x00\x80",
        ] {
            seeds.push(bytes.to_vec());
        }
        seeds
    },
    check: |bytes| check(&Cbor11, &Json11, bytes),
    memory: (64 << 10, 1_500),
    longest: 16 << 10,
    ..PLAIN
};

#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    text: Option<String>,
    blob: Option<Bytes>,
    integer: Option<i32>,
    long: Option<i64>,
    double: Option<f64>,
    flag: Option<bool>,
    at: Option<Timestamp>,
    list: Option<Vec<Sample>>,
    map: Option<BTreeMap<String, Sample>>,
    child: Option<Box<Sample>>,
}

const MEMBERS: [&str; 10] =
    ["Text", "Blob", "Integer", "Long", "Double", "Flag", "At", "List", "Map", "Child"];

fn sample(depth: usize) -> Sample {
    let below = || sample(depth - 1);
    let inside = depth > 0;
    Sample {
        text: Some("Straße \"\u{1f980}\"\n".to_owned()),
        blob: Some(Bytes::from_static(&[0, 1, 2, 255])),
        integer: Some(i32::MIN),
        long: Some(i64::MAX),
        double: Some(-0.125),
        flag: Some(false),
        at: Some(Timestamp::from_millis(1_700_000_000_123)),
        list: inside.then(|| vec![below(), Sample::default()]),
        map: inside.then(|| BTreeMap::from([("key".to_owned(), below())])),
        child: inside.then(|| Box::new(below())),
    }
}

impl Sample {
    /// JSON has milliseconds as a fraction and reads those as a double: exact for some 280,000 years.
    fn is_of_our_days(&self) -> bool {
        self.at.is_none_or(|at| at.millis() <= 1 << 53)
            && self.list.iter().flatten().all(Self::is_of_our_days)
            && self.map.iter().flat_map(BTreeMap::values).all(Self::is_of_our_days)
            && self.child.iter().all(|child| child.is_of_our_days())
    }
}

impl Decode for Sample {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => out.text = Decode::decode(d)?,
                1 => out.blob = Decode::decode(d)?,
                2 => out.integer = Decode::decode(d)?,
                3 => out.long = Decode::decode(d)?,
                4 => out.double = Decode::decode(d)?,
                5 => out.flag = Decode::decode(d)?,
                6 => out.at = Decode::decode(d)?,
                7 => out.list = Decode::decode(d)?,
                8 => out.map = Decode::decode(d)?,
                _ => out.child = Decode::decode(d)?,
            }
        }
        Ok(out)
    }
}

impl Encode for Sample {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.optional(MEMBERS[0], self.text.as_ref());
        e.optional(MEMBERS[1], self.blob.as_ref());
        e.optional(MEMBERS[2], self.integer.as_ref());
        e.optional(MEMBERS[3], self.long.as_ref());
        e.optional(MEMBERS[4], self.double.as_ref());
        e.optional(MEMBERS[5], self.flag.as_ref());
        e.optional(MEMBERS[6], self.at.as_ref());
        e.optional(MEMBERS[7], self.list.as_ref());
        e.optional(MEMBERS[8], self.map.as_ref());
        e.optional(MEMBERS[9], self.child.as_ref());
        e.close_structure();
    }
}

/// The same, without copies of texts and blobs.
#[derive(Debug, Default)]
struct Borrowed<'a> {
    text: Option<Cow<'a, str>>,
    /// A member may come twice: the last one counts, and all must be right.
    blobs: Vec<RawBlob<'a>>,
    rest: Sample,
    list: Option<Vec<Borrowed<'a>>>,
    map: Option<BTreeMap<String, Borrowed<'a>>>,
    child: Option<Box<Borrowed<'a>>>,
}

impl<'a> DecodeBorrowed<'a> for Borrowed<'a> {
    fn decode_borrowed<D: BorrowDecoder<'a>>(d: &mut D) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => out.text = Some(d.borrow_string()?),
                1 => out.blobs.push(d.borrow_blob()?),
                2 => out.rest.integer = Decode::decode(d)?,
                3 => out.rest.long = Decode::decode(d)?,
                4 => out.rest.double = Decode::decode(d)?,
                5 => out.rest.flag = Decode::decode(d)?,
                6 => out.rest.at = Decode::decode(d)?,
                7 => {
                    let mut list = Vec::new();
                    d.open_list()?;
                    while d.next_element()? {
                        list.push(Self::decode_borrowed(d)?);
                    }
                    out.list = Some(list);
                }
                8 => {
                    let mut map = BTreeMap::new();
                    d.open_map()?;
                    while let Some(key) = d.next_entry()? {
                        map.insert(key, Self::decode_borrowed(d)?);
                    }
                    out.map = Some(map);
                }
                _ => out.child = Some(Box::new(Self::decode_borrowed(d)?)),
            }
        }
        Ok(out)
    }
}

impl Borrowed<'_> {
    /// Nothing if some blob is no base64, which shows only now.
    fn into_owned(self) -> Option<Sample> {
        let mut own = self.rest;
        for blob in self.blobs {
            let mut bytes = Vec::new();
            blob.append_to(&mut bytes)?;
            assert_eq!(bytes.len(), blob.length(), "a blob is as long as it says");
            own.blob = Some(bytes.into());
        }
        if let Some(list) = self.list {
            own.list = Some(list.into_iter().map(Borrowed::into_owned).collect::<Option<_>>()?);
        }
        if let Some(map) = self.map {
            let owned = map.into_iter().map(|(key, value)| Some((key, value.into_owned()?)));
            own.map = Some(owned.collect::<Option<_>>()?);
        }
        if let Some(child) = self.child {
            own.child = Some(Box::new(child.into_owned()?));
        }
        own.text = self.text.map(Cow::into_owned);
        Some(own)
    }
}

fn check<C: Codec, O: Codec>(codec: &C, other: &O, input: &[u8]) -> Verdict {
    let body = Bytes::copy_from_slice(input);
    let owned = codec.decode::<Sample>(&body);
    let shared = codec.decode_shared::<Sample>(&body);
    let borrowed = codec.decode_borrowed::<Borrowed<'_>>(&body);
    let sample = match owned {
        Err(error) => {
            assert!(!error.message.is_empty() && error.message.len() < 1_000);
            assert_eq!(shared.err().as_ref(), Some(&error), "shared or not");
            match borrowed {
                // Nobody has looked at a borrowed blob yet, so something behind it is told instead.
                Err(_) if error.message.contains("base64") => {}
                Err(same) => assert_eq!(same, error, "borrowed or not"),
                Ok(value) => {
                    assert_eq!(value.into_owned(), None, "what is refused is not borrowed either: {error}");
                }
            }
            return Verdict::Refused;
        }
        Ok(sample) => sample,
    };
    let encoded = codec.encode(&sample);
    let same = |found: Option<Sample>, how: &str| {
        let found = found.map(|found| codec.encode(&found));
        assert_eq!(found.as_ref(), Some(&encoded), "{how}: {sample:?}");
    };
    same(shared.ok(), "shared");
    same(borrowed.ok().and_then(Borrowed::into_owned), "borrowed");
    if sample.is_of_our_days() {
        same(codec.decode::<Sample>(&encoded).ok(), "written and read again");
        same(other.decode::<Sample>(&other.encode(&sample)).ok(), "by way of the other codec");
    }
    Verdict::Read
}
