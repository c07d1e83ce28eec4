//! Values of any shape of the model, written in both encodings: what the typed decoders are held against.

use serde_json::Value as Json;
use std::fmt::Write as _;

/// Chance that can be repeated (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// A value that is not yet written.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Text(String),
    Blob(Vec<u8>),
    Whole(i64),
    Boolean(bool),
    /// Milliseconds since the epoch.
    Time(u64),
    List(Vec<Value>),
    /// A structure or a map.
    Map(Vec<(String, Value)>),
}

/// The facts of `models/kinesis.json`.
pub(crate) fn model() -> Json {
    serde_json::from_str(include_str!("../../../../models/kinesis.json")).unwrap()
}

/// An input of an operation, some of its optional members left out, some null, some invented.
pub(crate) fn input(model: &Json, operation: &str, dice: &mut Dice) -> Value {
    match model["operations"][operation]["input"]["shape"].as_str() {
        Some(shape) => of_shape(model, shape, dice),
        None => Value::Map(Vec::new()),
    }
}

fn of_shape(model: &Json, name: &str, dice: &mut Dice) -> Value {
    let shape = &model["shapes"][name];
    match shape["type"].as_str().unwrap() {
        "structure" => structure(model, shape, dice),
        "list" => {
            let item = shape["member"]["shape"].as_str().unwrap();
            Value::List((0..dice.below(4)).map(|_| of_shape(model, item, dice)).collect())
        }
        "map" => {
            let item = shape["value"]["shape"].as_str().unwrap();
            let entries = (0..dice.below(4)).map(|_| (text(dice), of_shape(model, item, dice)));
            Value::Map(entries.collect())
        }
        "string" => match shape["enum"].as_array() {
            Some(values) => Value::Text(values[dice.below(values.len())].as_str().unwrap().to_owned()),
            None => Value::Text(text(dice)),
        },
        "blob" => Value::Blob((0..dice.below(300)).map(|_| dice.next().to_le_bytes()[0]).collect()),
        "integer" => {
            Value::Whole(i32::from_le_bytes(dice.next().to_le_bytes()[..4].try_into().unwrap()).into())
        }
        "long" => Value::Whole(i64::from_le_bytes(dice.next().to_le_bytes())),
        "boolean" => Value::Boolean(dice.one_in(2)),
        "timestamp" => Value::Time(dice.next() % 4_000_000_000_000),
        other => panic!("a type that this test does not know: {other}"),
    }
}

fn structure(model: &Json, shape: &Json, dice: &mut Dice) -> Value {
    let mut members = Vec::new();
    for (name, member) in shape["members"].as_object().into_iter().flatten() {
        match dice.below(8) {
            0 => {}
            1 => members.push((name.clone(), Value::Null)),
            _ => members.push((name.clone(), of_shape(model, member["shape"].as_str().unwrap(), dice))),
        }
        if dice.one_in(10) {
            let invented = Value::List(vec![Value::Time(7), Value::Map(vec![(text(dice), Value::Null)])]);
            members.push(("Invented".to_owned(), invented));
        }
    }
    Value::Map(members)
}

fn text(dice: &mut Dice) -> String {
    const LETTERS: [char; 8] = ['a', 'Z', '0', '-', '"', '\\', 'é', '😀'];
    (0..dice.below(40)).map(|_| LETTERS[dice.below(LETTERS.len())]).collect()
}

pub(crate) fn json(value: &Value) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => quoted(text),
        Value::Blob(blob) => quoted(&base64(blob)),
        Value::Whole(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Time(millis) => format!("{}.{:03}", millis / 1_000, millis % 1_000),
        Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let mut out = String::from("{");
            for (key, value) in entries {
                let comma = if out.len() > 1 { "," } else { "" };
                write!(out, "{comma}{}:{}", quoted(key), json(value)).unwrap();
            }
            out + "}"
        }
    }
}

/// The textbook's base64.
pub(crate) fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = usize::try_from(group >> (18 - 6 * place) & 63).unwrap();
            out.push(if place <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    out
}

/// CBOR in any of the ways in which it may be written: lengths definite or not, numbers as long as one likes.
pub(crate) fn cbor(value: &Value, dice: &mut Dice, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Text(text) => pieces(0x60, &text.chars().map(String::from).collect::<Vec<_>>(), dice, out),
        Value::Blob(blob) => pieces(0x40, &blob.chunks(1).collect::<Vec<_>>(), dice, out),
        Value::Whole(number) => whole(*number, dice, out),
        Value::Boolean(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Time(millis) => {
            out.push(0xc1);
            head(0x00, *millis, dice, out);
        }
        Value::List(items) => {
            let ends = open(0x80, items.len(), dice, out);
            for item in items {
                cbor(item, dice, out);
            }
            out.extend(ends);
        }
        Value::Map(entries) => {
            let ends = open(0xa0, entries.len(), dice, out);
            for (key, value) in entries {
                cbor(&Value::Text(key.clone()), dice, out);
                cbor(value, dice, out);
            }
            out.extend(ends);
        }
    }
}

fn whole(number: i64, dice: &mut Dice, out: &mut Vec<u8>) {
    match u64::try_from(number) {
        Ok(number) => head(0x00, number, dice, out),
        Err(_negative) => head(0x20, u64::try_from(!number).unwrap(), dice, out),
    }
}

/// Opens a container; the break that will end it, if one does.
fn open(kind: u8, length: usize, dice: &mut Dice, out: &mut Vec<u8>) -> Option<u8> {
    if dice.one_in(2) {
        out.push(kind | 0x1f);
        return Some(0xff);
    }
    head(kind, length as u64, dice, out);
    None
}

/// A string, whole or in up to three pieces. `units` may not be cut.
fn pieces<T: AsRef<[u8]>>(kind: u8, units: &[T], dice: &mut Dice, out: &mut Vec<u8>) {
    let mut whole = |units: &[T], dice: &mut Dice| {
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.as_ref().to_vec()).collect();
        head(kind, bytes.len() as u64, dice, out);
        out.extend(bytes);
    };
    if !dice.one_in(3) {
        return whole(units, dice);
    }
    let (first, rest) = units.split_at(dice.below(units.len() + 1));
    let (second, third) = rest.split_at(dice.below(rest.len() + 1));
    let mut in_pieces = vec![kind | 0x1f];
    for piece in [first, second, third] {
        let bytes: Vec<u8> = piece.iter().flat_map(|unit| unit.as_ref().to_vec()).collect();
        head(kind, bytes.len() as u64, dice, &mut in_pieces);
        in_pieces.extend(bytes);
    }
    in_pieces.push(0xff);
    out.extend(in_pieces);
}

fn head(kind: u8, argument: u64, dice: &mut Dice, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let needed = match argument {
        0..24 => 0,
        24..0x100 => 1,
        0x100..0x1_0000 => 2,
        0x1_0000..0x1_0000_0000 => 4,
        _ => 8,
    };
    let width = [needed, 1, 2, 4, 8][dice.below(5)].max(needed);
    match width {
        0 => out.push(kind | bytes[7]),
        1 => out.push(kind | 0x18),
        2 => out.push(kind | 0x19),
        4 => out.push(kind | 0x1a),
        _ => out.push(kind | 0x1b),
    }
    out.extend(&bytes[8 - width..]);
}
