use super::{JsonDecoder, decode, decode_borrowed, encode};
use crate::caps::{MAX_DEPTH, MAX_ELEMENTS};
use bytes::Bytes;
use millstream_shapes::{
    BorrowDecoder, Decode, DecodeBorrowed, DecodeError, Decoder, Encode, Encoder, RawBlob,
};
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
        const MEMBERS: [&str; 9] =
            ["Text", "Blob", "Integer", "Long", "Double", "Boolean", "Time", "List", "Map"];
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
        e.optional("Text", self.text.as_ref());
        e.optional("Blob", self.blob.as_ref());
        e.optional("Integer", self.integer.as_ref());
        e.optional("Long", self.long.as_ref());
        e.optional("Double", self.double.as_ref());
        e.optional("Boolean", self.boolean.as_ref());
        e.optional("Time", self.time.as_ref());
        e.optional("List", self.list.as_ref());
        e.optional("Map", self.map.as_ref());
        e.close_structure();
    }
}

fn read(json: &str) -> Result<All, DecodeError> {
    decode(json.as_bytes())
}

fn refusal(json: &str) -> String {
    read(json).unwrap_err().message.into_owned()
}

#[test]
fn every_type_is_written_compactly() {
    let all = All {
        text: Some("a\"\\\n\u{1}é😀".to_owned()),
        blob: Some(Bytes::from_static(b"hello")),
        integer: Some(-1),
        long: Some(i64::MIN),
        double: Some(0.5),
        boolean: Some(true),
        time: Some(Timestamp::from_millis(1_700_000_000_007)),
        list: Some(vec![All::default(), All::default()]),
        map: Some([("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())].into()),
    };
    let json = concat!(
        r#"{"Text":"a\"\\\n\u0001é😀","Blob":"aGVsbG8=","Integer":-1,"Long":-9223372036854775808,"Double":0.5,"#,
        r#""Boolean":true,"Time":1700000000.007,"List":[{},{}],"Map":{"a":"b","c":"d"}}"#
    );
    assert_eq!(encode(&all), json);
    assert_eq!(read(json), Ok(all));
}

#[test]
fn white_space_nulls_and_unknown_members_do_not_matter() {
    let json =
        " { \"Text\" : null , \"New\" : {\"a\":[1,{\"b\":\"}\"},null,true,-1.5e3]} ,\n\t\"Integer\" : 7 } ";
    assert_eq!(read(json), Ok(All { integer: Some(7), ..All::default() }));
    assert_eq!(read(""), Ok(All::default()));
}

#[test]
fn a_members_name_is_found_however_it_is_written() {
    for json in [
        r#"{"Integer":7}"#,
        r#"{"Integer" :7}"#,
        "{\"Integer\"\n: 7}",
        r#"{ "Integer":7}"#,
        r#"{"\u0049nteger":7}"#,
        r#"{"Integer":null,"Integer":7}"#,
        r#"{"Integer":7,"Integer":null}"#,
        r#"{"Integers":1,"Integer":7,"Int":2,"":3,"integer":4,"Integer\u0000":5}"#,
    ] {
        assert_eq!(read(json), Ok(All { integer: Some(7), ..All::default() }), "{json}");
    }
    for bad in [
        r#"{"Integer"7}"#,
        r#"{"Integer"}"#,
        r#"{"Integer":}"#,
        r#"{Integer":7}"#,
        r#"{"Integer:7}"#,
        r#"{"Integer""#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

/// A text and a blob that borrow from the body.
#[derive(Debug, Default)]
struct Borrowed<'a> {
    text: Option<Cow<'a, str>>,
    blob: Option<RawBlob<'a>>,
}

impl<'a> DecodeBorrowed<'a> for Borrowed<'a> {
    fn decode_borrowed<D: BorrowDecoder<'a>>(d: &mut D) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&["Text", "Blob"])? {
            match member {
                0 => out.text = Some(d.borrow_string()?),
                _ => out.blob = Some(d.borrow_blob()?),
            }
        }
        Ok(out)
    }
}

#[test]
fn what_borrows_says_the_same() {
    for json in [
        r#"{"Text":"plain","Blob":"aGVsbG8="}"#,
        r#"{"Text":"\u0065\n\"","Blob":"\/\/\u0038="}"#,
        r#"{"Text":"é","Blob":""}"#,
    ] {
        let owned = read(json).unwrap();
        let borrowed: Borrowed<'_> = decode_borrowed(json.as_bytes()).unwrap();
        assert_eq!(borrowed.text.as_deref(), owned.text.as_deref());
        let (raw, mut bytes) = (borrowed.blob.unwrap(), Vec::new());
        raw.append_to(&mut bytes).unwrap();
        assert_eq!((bytes.len(), Some(bytes.into())), (raw.length(), owned.blob), "{json}");
    }
    for bad in [
        r#"{"Text":7}"#,
        "{\"Text\":\"\u{1}\"}",
        r#"{"Text":"\x"}"#,
        r#"{"Text":"#,
        r#"{"Blob":7}"#,
        r#"{"Blob":"\u0041"}"#,
        r#"{"Blob":"a"#,
        r"{} {}",
    ] {
        let borrowed = decode_borrowed::<Borrowed<'_>>(bad.as_bytes());
        assert_eq!(borrowed.unwrap_err(), read(bad).unwrap_err(), "{bad}");
    }
    assert!(decode_borrowed::<Borrowed<'_>>(b"{\"Text\":\"\xff\"}").is_err());
}

#[test]
fn of_duplicate_members_the_last_counts() {
    assert_eq!(read(r#"{"Integer":1,"Integer":2}"#).unwrap().integer, Some(2));
    assert_eq!(read(r#"{"Map":{"a":"1","a":"2"}}"#).unwrap().map.unwrap().get("a").unwrap(), "2");
}

#[test]
fn escapes() {
    let text = |literal: &str| read(&format!("{{\"Text\":\"{literal}\"}}")).map(|all| all.text.unwrap());
    assert_eq!(text(r#"\"\\\/\b\f\n\r\t"#).unwrap(), "\"\\/\u{8}\u{c}\n\r\t");
    assert_eq!(text(r"\u00e9\ud83d\ude00x").unwrap(), "é😀x");
    for bad in
        [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\u0041", r"\u12", r"\u12g4", r"\u+123", r"\x", "\u{1}"]
    {
        assert!(text(bad).is_err(), "{bad}");
    }
    // A member's name may be escaped too.
    assert_eq!(read(r#"{"\u0049nteger":3}"#).unwrap().integer, Some(3));
    // PHP escapes slashes in base64.
    assert_eq!(read(r#"{"Blob":"\/\/\/\/"}"#).unwrap().blob.unwrap(), [0xff; 3].as_slice());
}

#[test]
fn numbers() {
    let integer = |literal: &str| read(&format!("{{\"Integer\":{literal}}}")).map(|all| all.integer.unwrap());
    assert_eq!(integer("12e2"), Ok(1_200));
    assert_eq!(integer("1.9"), Ok(1));
    assert_eq!(integer("-0"), Ok(0));
    for bad in ["2147483648", "1e400", "01", "+1", "1.", ".5", "1e", "-", "0x1", "1e30", "--1", "1-2"] {
        assert!(integer(bad).is_err(), "{bad}");
    }
    assert_eq!(read(r#"{"Long":9007199254740993}"#).unwrap().long, Some(9_007_199_254_740_993));
}

#[test]
fn timestamps_are_seconds() {
    let millis =
        |literal: &str| read(&format!("{{\"Time\":{literal}}}")).map(|all| all.time.unwrap().millis());
    assert_eq!(millis("1700000000"), Ok(1_700_000_000_000));
    assert_eq!(millis("1700000000.123"), Ok(1_700_000_000_123));
    assert_eq!(millis("1.700000000123E9"), Ok(1_700_000_000_123));
    assert_eq!(millis("0.0"), Ok(0));
    for bad in ["-1", "-0.5", "1e300", "\"2023-11-14T22:13:20Z\"", "99999999999999999999"] {
        assert!(millis(bad).is_err(), "{bad}");
    }
    let zero = All { time: Some(Timestamp::from_millis(5_000)), ..All::default() };
    assert_eq!(encode(&zero), r#"{"Time":5.0}"#);
}

#[test]
fn wrong_types_are_named() {
    for (json, text) in [
        (r#"{"Text":5}"#, "NUMBER_VALUE cannot be converted to String"),
        (r#"{"Text":true}"#, "TRUE_VALUE cannot be converted to String"),
        (r#"{"Integer":"5"}"#, "STRING_VALUE cannot be converted to Integer"),
        (r#"{"Boolean":"true"}"#, "STRING_VALUE cannot be converted to Boolean"),
        (r#"{"Text":[]}"#, "Start of list found where not expected"),
        (r#"{"Text":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"List":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"List":[null]}"#, "A list has a null element"),
        ("[]", "Start of list found where not expected"),
    ] {
        assert_eq!(refusal(json), text, "{json}");
    }
    assert!(refusal(r#"{"Blob":"a"}"#).contains("base64"));
    assert!(refusal(r#"{"Blob":"aGVsbG8"}"#).contains("base64"), "padding is required");
}

#[test]
fn broken_text_is_refused() {
    for json in [
        "{",
        "{\"",
        "{\"Text",
        "{\"Text\"",
        "{\"Text\":",
        "{\"Text\":\"a",
        "{\"Text\":\"a\"",
        "{\"Text\":\"a\\",
        "{\"Text\":\"a\",}",
        "{,}",
        "{\"Text\" \"a\"}",
        "{\"Text\":\"a\" \"Integer\":1}",
        "{}x",
        "{}{}",
        "nul",
        "x",
        "{\"X\":tru}",
        "{\"X\":[1,]}",
        "{\"X\":[1 2]}",
        "{\"X\":{1:2}}",
        "{\"X\":]}",
        "{\"List\":[{}",
        "{Text:1}",
    ] {
        assert!(read(json).is_err(), "{json}");
    }
    assert!(decode::<All>(b"{\"Text\":\"\xff\"}").is_err());
    assert!(decode::<All>(b"{\"X\":\"\xff\"}").is_err());
}

#[test]
fn depth_and_number_of_elements_are_limited() {
    let nested = |depth: usize| format!("{}{}", "{\"X\":".repeat(depth), "0".to_owned() + &"}".repeat(depth));
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert!(refusal(&nested(MAX_DEPTH + 1)).contains("levels deep"));
    let unclosed = "[".repeat(1_000_000);
    assert!(refusal(&format!("{{\"X\":{unclosed}")).contains("levels deep"));
    let many = format!("{{\"List\":[{}{{}}]}}", "{},".repeat(MAX_ELEMENTS));
    assert!(refusal(&many).contains("elements"));
}

fn any_value() -> impl Strategy<Value = All> {
    let leaf = (
        proptest::option::of(any::<String>()),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)),
        any::<Option<i32>>(),
        any::<Option<i64>>(),
        proptest::option::of(-1e12..1e12_f64),
        any::<Option<bool>>(),
        proptest::option::of((0..4_000_000_000_000_u64).prop_map(Timestamp::from_millis)),
        proptest::option::of(proptest::collection::btree_map(any::<String>(), any::<String>(), 0..3)),
    )
        .prop_map(|(text, blob, integer, long, double, boolean, time, map)| All {
            text,
            blob,
            integer,
            long,
            double,
            boolean,
            time,
            list: None,
            map,
        });
    leaf.prop_recursive(3, 12, 3, |inner| {
        proptest::collection::vec(inner, 0..3).prop_map(|list| All { list: Some(list), ..All::default() })
    })
}

proptest! {
    #[test]
    fn values_come_back(value in any_value()) {
        prop_assert_eq!(decode::<All>(&encode(&value)), Ok(value));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = JsonDecoder::new(&bytes);
        if All::decode(&mut decoder).is_ok() {
            prop_assert!(bytes.contains(&0x7b), "only a structure can be read");
        }
    }

    /// Text that is nearly right reaches deeper than noise does.
    #[test]
    fn any_json_like_text_is_read_or_refused(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("{"), Just("}"), Just("["), Just("]"), Just(":"), Just(","), Just("\"Text\""), Just("\"List\""),
                Just("\"Blob\":\"YQ==\""), Just("\"\\u12"), Just("null"), Just("-1.5e3"), Just("\""), Just("true"),
                Just("\"Map\":{"), Just("\"Time\":1e9"), Just("\\"), Just(" "), Just("é"),
            ],
            0..40,
        )
    ) {
        let text = parts.concat();
        if read(&text).is_ok() {
            prop_assert!(text.is_empty() || text.trim_start().starts_with('{'), "{}", text);
        }
    }

    /// A value cut short or with one byte changed is read or refused, never a panic.
    #[test]
    fn damaged_values_are_read_or_refused(value in any_value(), at: prop::sample::Index, byte: u8) {
        let mut bytes = encode(&value).to_vec();
        let at = at.index(bytes.len());
        prop_assert!(decode::<All>(&bytes[..at]).is_err() || at == 0);
        bytes[at] = byte;
        if let Ok(read) = decode::<All>(&bytes) {
            prop_assert_eq!(decode::<All>(&encode(&read)), Ok(read));
        }
    }
}
