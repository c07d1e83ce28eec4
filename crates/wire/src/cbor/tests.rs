use super::{Cbor11, CborDecoder, CborEncoder, decode, encode};
use crate::caps::{MAX_DEPTH, MAX_ELEMENTS};
use crate::json;
use bytes::Bytes;
use millstream_shapes::{BorrowDecoder, Codec, Decode, DecodeError, Decoder, Encode, Encoder, RawBlob};
use millstream_types::Timestamp;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A structure with every type, as generated ones are.
#[derive(Clone, Debug, Default, PartialEq)]
struct All {
    text: Option<String>,
    blob: Option<Bytes>,
    integer: Option<i32>,
    long: Option<i64>,
    double: Option<f64>,
    boolean: Option<bool>,
    time: Option<Timestamp>,
    list: Option<Vec<All>>,
    map: Option<BTreeMap<String, String>>,
}

impl Decode for All {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        const MEMBERS: [&str; 9] = ["t", "b", "i", "l", "d", "o", "e", "n", "m"];
        let mut out = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => out.text = Decode::decode(d)?,
                1 => out.blob = Decode::decode(d)?,
                2 => out.integer = Decode::decode(d)?,
                3 => out.long = Decode::decode(d)?,
                4 => out.double = Decode::decode(d)?,
                5 => out.boolean = Decode::decode(d)?,
                6 => out.time = Decode::decode(d)?,
                7 => out.list = Decode::decode(d)?,
                _ => out.map = Decode::decode(d)?,
            }
        }
        Ok(out)
    }
}

impl Encode for All {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.optional("t", self.text.as_ref());
        e.optional("b", self.blob.as_ref());
        e.optional("i", self.integer.as_ref());
        e.optional("l", self.long.as_ref());
        e.optional("d", self.double.as_ref());
        e.optional("o", self.boolean.as_ref());
        e.optional("e", self.time.as_ref());
        e.optional("n", self.list.as_ref());
        e.optional("m", self.map.as_ref());
        e.close_structure();
    }
}

/// Bytes from hexadecimal digits; spaces are for the eye, and letters in quotes stand for themselves.
fn bytes(text: &str) -> Bytes {
    let mut out = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|byte| *byte != b' ').collect();
        for pair in digits.chunks(2) {
            out.push(u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        }
    }
    out.into()
}

fn read(text: &str) -> Result<All, DecodeError> {
    decode(&bytes(text))
}

fn refusal(text: &str) -> String {
    read(text).expect_err(text).message.into_owned()
}

/// One value alone, as the body.
fn alone<'a, T>(source: &'a Bytes, take: impl Fn(&mut CborDecoder<'a>) -> Result<T, DecodeError>) -> T {
    let mut decoder = CborDecoder::new(source);
    let value = take(&mut decoder).unwrap();
    decoder.finish().unwrap();
    value
}

/// RFC 8949, appendix A, as far as the types go.
#[test]
fn whole_numbers_of_the_rfc() {
    for (text, value) in [
        ("00", 0),
        ("01", 1),
        ("0a", 10),
        ("17", 23),
        ("1818", 24),
        ("1819", 25),
        ("1864", 100),
        ("1903e8", 1_000),
        ("1a000f4240", 1_000_000),
        ("1b000000e8d4a51000", 1_000_000_000_000),
        ("20", -1),
        ("29", -10),
        ("3863", -100),
        ("3903e7", -1_000),
        ("1b7fffffffffffffff", i64::MAX),
        ("3b7fffffffffffffff", i64::MIN),
    ] {
        let source = bytes(text);
        assert_eq!(alone(&source, CborDecoder::long), value, "{text}");
        let mut encoder = CborEncoder::default();
        encoder.long(value);
        assert_eq!(encoder.finish(), source, "{value}");
    }
    // Longer than needed is allowed.
    for text in
        ["1807", "190007", "1a00000007", "1b0000000000000007", "f94700", "fa40e00000", "fb401c000000000000"]
    {
        assert_eq!(alone(&bytes(text), CborDecoder::integer), 7, "{text}");
    }
    // A fraction is cut off.
    assert_eq!(alone(&bytes("fbc010666666666666"), CborDecoder::long), -4);
}

#[test]
fn real_numbers_of_the_rfc() {
    for (text, value) in [
        ("f90000", 0.0),
        ("f93c00", 1.0),
        ("fb3ff199999999999a", 1.1),
        ("f93e00", 1.5),
        ("f97bff", 65_504.0),
        ("fa47c35000", 100_000.0),
        ("fa7f7fffff", 3.402_823_466_385_288_6e38),
        ("fb7e37e43c8800759c", 1.0e300),
        ("f90001", 5.960_464_477_539_063e-8),
        ("f90400", 0.000_061_035_156_25),
        ("f9c400", -4.0),
        ("fbc010666666666666", -4.1),
        ("1903e8", 1_000.0),
        ("20", -1.0),
        ("1bffffffffffffffff", 18_446_744_073_709_551_615.0),
        ("3bffffffffffffffff", -18_446_744_073_709_551_616.0),
    ] {
        let read = alone(&bytes(text), CborDecoder::double);
        assert_eq!(read.to_bits(), f64::to_bits(value), "{text}: {read}");
    }
    let negative_zero = alone(&bytes("f98000"), CborDecoder::double);
    assert!(negative_zero == 0.0 && negative_zero.is_sign_negative());
    for text in ["f97c00", "f97e00", "f9fc00", "fa7f800000", "fb7ff8000000000000"] {
        assert!(CborDecoder::new(&bytes(text)).double().is_err(), "{text}");
    }
}

#[test]
fn strings_of_the_rfc() {
    for (text, value) in [
        ("60", ""),
        ("6161", "a"),
        ("6449455446", "IETF"),
        ("62225c", "\"\\"),
        ("62c3bc", "ü"),
        ("63e6b0b4", "水"),
        ("64f0908591", "𐅑"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("7fff", ""),
    ] {
        assert_eq!(alone(&bytes(text), CborDecoder::string), value, "{text}");
    }
    for (text, value) in [
        ("40", b"".as_slice()),
        ("4401020304", &[1, 2, 3, 4]),
        ("5f42010243030405ff", &[1, 2, 3, 4, 5]),
        ("5fff", b""),
        // A tag that says what the bytes mean: here, that they are CBOR.
        ("d818456449455446", b"\x64IETF"),
    ] {
        assert_eq!(alone(&bytes(text), CborDecoder::blob), value, "{text}");
    }
}

#[test]
fn every_type_is_written_in_its_shortest_form() {
    let all = All {
        text: Some("é".to_owned()),
        blob: Some(Bytes::from_static(b"\x00\xff")),
        integer: Some(-1),
        long: Some(256),
        double: Some(0.5),
        boolean: Some(true),
        time: Some(Timestamp::from_millis(1_700_000_000_007)),
        list: Some(vec![All::default(), All { boolean: Some(false), ..All::default() }]),
        map: Some([("a".to_owned(), "b".to_owned())].into()),
    };
    let wanted = "a9 61't'62c3a9 61'b'42 00ff 61'i'20 61'l'190100 61'd'fb3fe0000000000000 61'o'f5 \
                  61'e'c11b0000018bcfe56807 61'n'82a0a161'o'f4 61'm'a161'a'61'b'";
    assert_eq!(encode(&all), bytes(wanted));
    assert_eq!(read(wanted), Ok(all));
}

#[test]
fn structures_of_any_size_have_a_definite_length() {
    for (members, head) in [
        (0_usize, "80"),
        (1, "81"),
        (23, "97"),
        (24, "9818"),
        (255, "98ff"),
        (256, "990100"),
        (70_000, "9a00011170"),
    ] {
        let mut encoder = CborEncoder::default();
        encoder.open_structure();
        encoder.member_name("l");
        encoder.open_list();
        for _ in 0..members {
            encoder.element();
            encoder.boolean(true);
        }
        encoder.close_list();
        encoder.close_structure();
        let mut wanted = bytes(&format!("a161'l'{head}")).to_vec();
        wanted.extend(std::iter::repeat_n(0xf5, members));
        assert_eq!(encoder.finish(), wanted, "{members}");
    }
}

/// Kinesis has milliseconds under tag 1, where the RFC has seconds; a fraction is taken as the RFC means it.
#[test]
fn times_are_milliseconds_unless_they_have_a_fraction() {
    let time = |text: &str| read(&format!("a161'e'{text}")).map(|all| all.time.unwrap().millis());
    assert_eq!(time("c11b0000018bcfe56807"), Ok(1_700_000_000_007));
    assert_eq!(time("1b0000018bcfe56807"), Ok(1_700_000_000_007));
    assert_eq!(time("c1fb41d954fc400072b0"), Ok(1_700_000_000_007));
    assert_eq!(time("c100"), Ok(0));
    for bad in
        ["c120", "c1fbbff0000000000000", "c1f97e00", "c1fb7e37e43c8800759c", "6431393730", "c074", "41 00"]
    {
        assert!(time(bad).is_err(), "{bad}");
    }
}

#[test]
fn nulls_and_unknown_members_do_not_matter() {
    let seven = Ok(All { integer: Some(7), ..All::default() });
    for text in [
        "a161'i'07",
        "bf61'i'07ff",
        "b9000161'i'07",
        "bb000000000000000161'i'07",
        "a27f61'i'ff0761't'f6",
        "a261't'f761'i'07",
        "a2 61'x' a2 61'a' 9f 01 a1 61'b' 63'}\"}' f6 f5 f93e00 e0 f8ff ff 61'c' 5f 41 00 ff 61'i' 07",
        "bf 61'x' bf 61'a' 7f 61'b' ff 61'c' 80 ff 61'i' 07 ff",
        "d9d9f7a161'i'07",
        "a161'i'c107",
    ] {
        assert_eq!(read(text), seven, "{text}");
    }
    assert_eq!(read(""), Ok(All::default()));
    assert_eq!(read("a161'm'a261'a'f661'b'61'c'").unwrap().map.unwrap().len(), 1);
}

#[test]
fn of_duplicate_members_the_last_counts() {
    assert_eq!(read("a261'i'0161'i'02").unwrap().integer, Some(2));
    assert_eq!(read("a161'm'a261'a'61'b'61'a'61'c'").unwrap().map.unwrap()["a"], "c");
}

#[test]
fn a_blob_is_a_slice_of_a_shared_body() {
    let body = bytes("a161'b'43'abc'");
    let all: All = Cbor11.decode_shared(&body).unwrap();
    let blob = all.blob.unwrap();
    assert_eq!(blob, "abc");
    assert_eq!(blob.as_ptr(), body[4..].as_ptr());
    let copy: All = Cbor11.decode(&body).unwrap();
    assert_eq!(copy.blob.unwrap(), "abc");
}

#[test]
fn what_is_in_one_piece_is_borrowed() {
    let text = bytes("63'abc'");
    let borrowed = alone(&text, CborDecoder::borrow_string);
    assert!(matches!(borrowed, Cow::Borrowed("abc")));
    assert_eq!(borrowed.as_ptr(), text[1..].as_ptr());
    let blob = bytes("43'abc'");
    let RawBlob::Plain(borrowed) = alone(&blob, CborDecoder::borrow_blob) else { panic!("a copy") };
    assert_eq!(borrowed.as_ptr(), blob[1..].as_ptr());

    let text = bytes("7f61'a'62'bc'ff");
    assert!(matches!(alone(&text, CborDecoder::borrow_string), Cow::Owned(text) if text == "abc"));
    let blob = bytes("5f41'a'42'bc'ff");
    assert!(matches!(alone(&blob, CborDecoder::borrow_blob), RawBlob::Owned(blob) if blob == "abc"));

    for text in ["01", "43'abc'", "61ff", "7f61ffff"] {
        let source = bytes(text);
        let (borrowed, owned) =
            (CborDecoder::new(&source).borrow_string(), CborDecoder::new(&source).string());
        assert_eq!(borrowed.unwrap_err(), owned.unwrap_err(), "{text}");
    }
    for text in ["01", "63'abc'", "43'ab'", "5f61'a'ff"] {
        let source = bytes(text);
        let (borrowed, owned) = (CborDecoder::new(&source).borrow_blob(), CborDecoder::new(&source).blob());
        assert_eq!(borrowed.unwrap_err(), owned.unwrap_err(), "{text}");
    }
}

#[test]
fn wrong_types_are_named_as_in_json() {
    for (cbor, json) in [
        ("a161'i'6131", r#"{"i":"1"}"#),
        ("a161't'01", r#"{"t":1}"#),
        ("a161't'f5", r#"{"t":true}"#),
        ("a161't'80", r#"{"t":[]}"#),
        ("a161't'a0", r#"{"t":{}}"#),
        ("a161'o'f93e00", r#"{"o":1.5}"#),
        ("a161'o'6131", r#"{"o":"1"}"#),
        ("a161'b'f4", r#"{"b":false}"#),
        ("a161'e'6131", r#"{"e":"1"}"#),
        ("a161'd'6131", r#"{"d":"1"}"#),
        ("a161'l'1bffffffffffffffff", r#"{"l":18446744073709551615}"#),
        ("a161'l'3bffffffffffffffff", r#"{"l":-18446744073709551616}"#),
        ("a161'l'fb7e37e43c8800759c", r#"{"l":1e300}"#),
        ("a161'i'1b0000000100000000", r#"{"i":4294967296}"#),
        ("a161'e'20", r#"{"e":-1}"#),
        ("a161'n'a0", r#"{"n":{}}"#),
        ("a161'n'01", r#"{"n":1}"#),
        ("a161'm'80", r#"{"m":[]}"#),
        ("a161'm'01", r#"{"m":1}"#),
        ("a161'n'81f6", r#"{"n":[null]}"#),
        ("a161'n'8101", r#"{"n":[1]}"#),
        ("80", "[]"),
        ("01", "1"),
        ("f6", "null"),
    ] {
        let in_json = json::decode::<All>(json.as_bytes()).expect_err(json).message;
        assert_eq!(refusal(cbor), in_json, "{cbor} {json}");
    }
    assert_eq!(refusal("a161't'4131"), "BLOB_VALUE cannot be converted to String");
    assert_eq!(refusal("a161'b'6131"), "STRING_VALUE cannot be converted to Blob");
}

#[test]
fn malformed_bodies_are_refused() {
    for (text, what) in [
        ("a1", "Unexpected end"),
        ("a161'i'", "Unexpected end"),
        ("a161'i'19", "Unexpected end"),
        ("a161't'63'ab'", "Unexpected end"),
        ("a161'b'43'ab'", "Unexpected end"),
        ("bf61'i'07", "Unexpected end"),
        ("a161't'7f61'a'", "Unexpected end"),
        ("a161'n'9f", "Unexpected end"),
        ("a161'x'9f", "Unexpected end"),
        ("c1", "Unexpected end"),
        // Lengths that nobody has the memory for.
        ("a161't'7bffffffffffffffff", "Unexpected end"),
        ("a161'b'5bffffffffffffffff'abc'", "Unexpected end"),
        ("a161'b'5b7fffffffffffffff", "Unexpected end"),
        ("a161'b'5f5bffffffffffffffff", "Unexpected end"),
        ("a161'n'9bffffffffffffffff", "Unexpected end"),
        ("a161'm'bbffffffffffffffff", "Unexpected end"),
        ("bbffffffffffffffff61'i'07", "Unexpected end"),
        ("a161'x'9b8000000000000000", "Unexpected end"),
        // Reserved encodings.
        ("a161'i'1c", "CBOR reserves"),
        ("a161'i'3d", "CBOR reserves"),
        ("a161't'7e", "CBOR reserves"),
        ("a161'x'fc", "CBOR reserves"),
        ("a161'i'1f", "without a value"),
        ("a161'i'3f", "without a value"),
        ("df", "without a value"),
        ("a161'x'f818", "longer than it is"),
        ("a161'o'f8ff", "Unexpected token"),
        ("a161'i'ff", "An end without a beginning"),
        ("ff", "An end without a beginning"),
        ("a161'x'ff", "An end without a beginning"),
        ("a161'x'81ff", "An end without a beginning"),
        ("a161'n'ff", "An end without a beginning"),
        // A value is missing before the break.
        ("bf61'i'ff", "An end without a beginning"),
        // Names and pieces of the wrong kind.
        ("a10107", "Expected the name"),
        ("a141'i'07", "Expected the name"),
        ("a1f607", "Expected the name"),
        ("a161'x'a10107", "Expected the name"),
        ("a161't'7f41'a'ff", "A piece of a string"),
        ("a161't'7f7f61'a'ffff", "A piece of a string"),
        ("a161'b'5f61'a'ff", "A piece of a byte string"),
        // Text that is none.
        ("a161't'61ff", "not UTF-8"),
        ("a161't'7f61c361a9ff", "not UTF-8"),
        ("a161ff07", "not UTF-8"),
        ("a161'x'61ff", "not UTF-8"),
        ("a161'm'a161ff61'a'", "not UTF-8"),
        ("a000", "something after the end"),
        ("a161'i'07a0", "something after the end"),
        ("bfffff", "something after the end"),
    ] {
        let said = refusal(text);
        assert!(said.contains(what), "{text}: {said}");
    }
}

#[test]
fn depth_is_limited() {
    // Each level is a structure in a list in a structure.
    let nested = |levels: usize| {
        let mut body = bytes("a161'n'81").repeat(levels);
        body.push(0xa0);
        decode::<All>(&body.into())
    };
    assert!(nested((MAX_DEPTH - 1) / 2).is_ok());
    assert!(nested(MAX_DEPTH / 2).unwrap_err().message.contains("nested"));
    // What is skipped is limited too, and needs no stack.
    for one in [0x81_u8, 0x9f] {
        let mut body = bytes("a161'x'").to_vec();
        body.extend(std::iter::repeat_n(one, 1_000_000));
        assert!(decode::<All>(&body.into()).unwrap_err().message.contains("nested"));
    }
    let mut tags = bytes("a161'i'").to_vec();
    tags.extend(std::iter::repeat_n(0xc1, 1_000_000));
    tags.push(7);
    assert_eq!(decode::<All>(&tags.into()).unwrap().integer, Some(7));
}

#[test]
fn elements_are_limited() {
    let list = |elements: usize| {
        let mut body = bytes("a161'n'9f").to_vec();
        body.extend(std::iter::repeat_n(0xa0, elements));
        body.push(0xff);
        decode::<All>(&body.into())
    };
    assert_eq!(list(MAX_ELEMENTS).unwrap().list.unwrap().len(), MAX_ELEMENTS);
    assert!(list(MAX_ELEMENTS + 1).unwrap_err().message.contains("elements"));
}

fn any_value() -> impl Strategy<Value = All> {
    let leaf = (
        proptest::option::of("\\PC{0,30}"),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        proptest::option::of(any::<i32>()),
        proptest::option::of(any::<i64>()),
        proptest::option::of(-1e12_f64..1e12),
        proptest::option::of(any::<bool>()),
        proptest::option::of(0_u64..4_000_000_000_000),
        proptest::option::of(proptest::collection::btree_map("[a-z]{0,3}", "\\PC{0,3}", 0..30)),
    );
    let leaf = leaf.prop_map(|(text, blob, integer, long, double, boolean, millis, map)| All {
        text,
        blob: blob.map(Bytes::from),
        integer,
        long,
        double,
        boolean,
        time: millis.map(Timestamp::from_millis),
        list: None,
        map,
    });
    leaf.prop_recursive(3, 30, 4, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 0..4))
            .prop_map(|(value, list)| All { list: Some(list), ..value })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in any_value()) {
        prop_assert_eq!(decode::<All>(&encode(&value)), Ok(value));
    }

    #[test]
    fn both_encodings_say_the_same(value in any_value()) {
        prop_assert_eq!(json::decode::<All>(&json::encode(&value)), decode::<All>(&encode(&value)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = decode::<All>(&Bytes::from(body)) {
            prop_assert_eq!(decode::<All>(&encode(&value)), Ok(value));
        }
    }

    /// A value cut short or with one byte changed is read or refused, never a panic.
    #[test]
    fn damaged_values_are_read_or_refused(value in any_value(), at: prop::sample::Index, byte: u8) {
        let whole = encode(&value);
        let at = at.index(whole.len());
        prop_assert!(decode::<All>(&whole.slice(..at)).is_err() || at == 0);
        let mut bytes = whole.to_vec();
        bytes[at] = byte;
        if let Ok(read) = decode::<All>(&bytes.into()) {
            prop_assert_eq!(decode::<All>(&encode(&read)), Ok(read));
        }
    }
}
