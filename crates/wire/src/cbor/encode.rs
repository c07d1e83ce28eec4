use bytes::Bytes;
use millstream_host::Buffer;
use millstream_shapes::Encoder;
use millstream_types::Timestamp;

/// Writes CBOR with definite lengths and every number as short as it can be.
#[derive(Debug, Default)]
pub struct CborEncoder {
    out: Buffer,
    open: Vec<Open>,
}

/// A container that is being written.
#[derive(Debug)]
enum Open {
    /// Its length was written first.
    Announced,
    /// Its head stands at `at`, as if it were empty; it has `items` so far.
    Counted { at: usize, items: usize },
}

/// Kinds of data items, as they stand in the upper three bits of a head.
const UNSIGNED: u8 = 0x00;
const NEGATIVE: u8 = 0x20;
const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;
const LIST: u8 = 0x80;
const MAP: u8 = 0xa0;
const TAG_EPOCH: u8 = 0xc1;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const DOUBLE: u8 = 0xfb;

impl CborEncoder {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Buffer::with_capacity(bytes), open: Vec::new() }
    }

    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }

    fn open(&mut self, kind: u8) {
        self.open.push(Open::Counted { at: self.out.len(), items: 0 });
        self.out.push(kind);
    }

    fn announce(&mut self, kind: u8, length: usize) {
        self.open.push(Open::Announced);
        write_head(&mut self.out, kind, number(length));
    }

    fn count(&mut self) {
        if let Some(Open::Counted { items, .. }) = self.open.last_mut() {
            *items = items.saturating_add(1);
        }
    }

    /// Puts the count into the head. Only from 24 items on does it need more than the byte that is there.
    fn close(&mut self, kind: u8) {
        let Some(Open::Counted { at, items }) = self.open.pop() else { return };
        let mut head = Vec::new();
        write_head(&mut head, kind, number(items));
        self.out.splice(at..=at, head);
    }

    fn text(&mut self, text: &str) {
        write_head(&mut self.out, TEXT, number(text.len()));
        self.out.extend_from_slice(text.as_bytes());
    }
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A head in its shortest form.
fn write_head(out: &mut Vec<u8>, kind: u8, argument: u64) {
    if let Ok(short) = u8::try_from(argument) {
        if short < 24 {
            out.push(kind | short);
        } else {
            out.extend_from_slice(&[kind | 0x18, short]);
        }
    } else if let Ok(short) = u16::try_from(argument) {
        out.push(kind | 0x19);
        out.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(short) = u32::try_from(argument) {
        out.push(kind | 0x1a);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(kind | 0x1b);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

impl Encoder for CborEncoder {
    fn open_structure(&mut self) {
        self.open(MAP);
    }

    fn member_name(&mut self, name: &'static str) {
        self.key(name);
    }

    fn close_structure(&mut self) {
        self.close(MAP);
    }

    fn open_structure_of(&mut self, length: usize) {
        self.announce(MAP, length);
    }

    fn open_list(&mut self) {
        self.open(LIST);
    }

    fn open_list_of(&mut self, length: usize) {
        self.announce(LIST, length);
    }

    fn element(&mut self) {
        self.count();
    }

    fn close_list(&mut self) {
        self.close(LIST);
    }

    fn open_map(&mut self) {
        self.open(MAP);
    }

    fn open_map_of(&mut self, length: usize) {
        self.announce(MAP, length);
    }

    fn key(&mut self, key: &str) {
        self.count();
        self.text(key);
    }

    fn close_map(&mut self) {
        self.close(MAP);
    }

    fn string(&mut self, value: &str) {
        self.text(value);
    }

    fn plain_string(&mut self, value: &[u8]) {
        write_head(&mut self.out, TEXT, number(value.len()));
        self.out.extend_from_slice(value);
    }

    fn blob(&mut self, value: &[u8]) {
        write_head(&mut self.out, BYTES, number(value.len()));
        self.out.extend_from_slice(value);
    }

    fn written(&self) -> &[u8] {
        &self.out
    }

    fn again(&mut self, written: &[u8]) {
        self.out.extend_from_slice(written);
    }

    fn integer(&mut self, value: i32) {
        self.long(value.into());
    }

    fn long(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => write_head(&mut self.out, UNSIGNED, value),
            Err(_negative) => write_head(&mut self.out, NEGATIVE, (!value).unsigned_abs()),
        }
    }

    fn double(&mut self, value: f64) {
        self.out.push(DOUBLE);
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn boolean(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    /// Tag 1 around whole milliseconds: the SDKs for Java read no other form.
    fn timestamp(&mut self, value: Timestamp) {
        self.out.push(TAG_EPOCH);
        write_head(&mut self.out, UNSIGNED, value.millis());
    }
}
