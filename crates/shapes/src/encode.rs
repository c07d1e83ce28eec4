use bytes::Bytes;
use millstream_types::Timestamp;
use std::collections::BTreeMap;

/// A value that can write itself in any protocol.
pub trait Encode {
    fn encode<E: Encoder>(&self, e: &mut E);

    /// About how many bytes that will be; 0 where nobody knows. Saves a large value the growing of its buffer.
    fn expected_bytes(&self) -> usize {
        0
    }
}

/// The push side of a protocol. Containers are opened, filled and closed in order.
pub trait Encoder {
    fn open_structure(&mut self);
    /// A structure of exactly `length` members, for protocols that write the length first.
    fn open_structure_of(&mut self, _length: usize) {
        self.open_structure();
    }
    /// The name of a member; its value follows.
    fn member_name(&mut self, name: &'static str);
    fn close_structure(&mut self);

    fn open_list(&mut self);
    /// A list of exactly `length` elements, for protocols that write the length first.
    fn open_list_of(&mut self, _length: usize) {
        self.open_list();
    }
    /// An element follows.
    fn element(&mut self);
    fn close_list(&mut self);

    fn open_map(&mut self);
    /// A map of exactly `length` entries, for protocols that write the length first.
    fn open_map_of(&mut self, _length: usize) {
        self.open_map();
    }
    /// The key of an entry; its value follows.
    fn key(&mut self, key: &str);
    fn close_map(&mut self);

    fn string(&mut self, value: &str);
    /// As [`string`](Self::string), for ASCII letters, digits and hyphens, which no protocol has to look at.
    fn plain_string(&mut self, value: &[u8]);
    fn blob(&mut self, value: &[u8]);

    /// All that was written so far.
    fn written(&self) -> &[u8];
    /// A value as it was written before.
    fn again(&mut self, written: &[u8]);

    fn integer(&mut self, value: i32);
    fn long(&mut self, value: i64);
    fn double(&mut self, value: f64);
    fn boolean(&mut self, value: bool);
    fn timestamp(&mut self, value: Timestamp);

    /// A member that is always present.
    fn member<T: Encode>(&mut self, name: &'static str, value: &T)
    where
        Self: Sized,
    {
        self.member_name(name);
        value.encode(self);
    }

    /// A member that is left out when there is no value.
    fn optional<T: Encode>(&mut self, name: &'static str, value: Option<&T>)
    where
        Self: Sized,
    {
        if let Some(value) = value {
            self.member(name, value);
        }
    }
}

macro_rules! encode_leaf {
    ($($type:ty => |$e:ident, $value:ident| $call:expr),*) => {$(
        impl Encode for $type {
            fn encode<E: Encoder>(&self, $e: &mut E) {
                let $value = self;
                $call;
            }
        }
    )*};
}

encode_leaf!(
    String => |e, value| e.string(value),
    Bytes => |e, value| e.blob(value),
    i32 => |e, value| e.integer(*value),
    i64 => |e, value| e.long(*value),
    f64 => |e, value| e.double(*value),
    bool => |e, value| e.boolean(*value),
    Timestamp => |e, value| e.timestamp(*value)
);

impl<T: Encode> Encode for Vec<T> {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_list_of(self.len());
        for item in self {
            e.element();
            item.encode(e);
        }
        e.close_list();
    }
}

impl<T: Encode> Encode for BTreeMap<String, T> {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_map_of(self.len());
        for (key, value) in self {
            e.key(key);
            value.encode(e);
        }
        e.close_map();
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode<E: Encoder>(&self, e: &mut E) {
        (**self).encode(e);
    }
}
