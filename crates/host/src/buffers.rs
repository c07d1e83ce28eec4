//! Memory for the bytes of requests, reads and batches, as large as they are: tens of kilobytes to some megabytes each,
//! thousands a second. Taken from the allocator and given back each time, its pages would come and go with it, and the
//! kernel would have to find and clear each of them anew. So some of it is kept for the next one.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is smaller is not worth keeping.
const LEAST: usize = 64 << 10;

/// What is larger comes too rarely to keep.
const LARGEST: usize = 16 << 20;

/// Bytes kept at most, all together.
const MOST: usize = 48 << 20;

static KEPT: Kept = Kept { free: Mutex::new(Free { by_capacity: BTreeMap::new(), bytes: 0 }) };

#[derive(Debug)]
struct Kept {
    free: Mutex<Free>,
}

#[derive(Debug)]
struct Free {
    by_capacity: BTreeMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
}

/// A `Vec<u8>` whose memory, if it is large, is used again.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// Empty, with room for at least so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut buffer = Self::any(bytes);
        buffer.0.clear();
        buffer
    }

    /// Of exactly so many bytes, with anything in them: for what writes them all before anybody reads them.
    pub fn to_fill(bytes: usize) -> Self {
        let mut buffer = Self::any(bytes);
        buffer.0.resize(bytes, 0);
        buffer
    }

    fn any(bytes: usize) -> Self {
        if bytes < LEAST {
            return Self(Vec::with_capacity(bytes));
        }
        let wanted = rounded(bytes);
        Self(KEPT.take(wanted).unwrap_or_else(|| Vec::with_capacity(wanted)))
    }

    /// The bytes, shared from here on. The memory comes back with the last of them.
    pub fn freeze(mut self) -> Bytes {
        if self.0.capacity() < LEAST {
            Bytes::from(std::mem::take(&mut self.0))
        } else {
            Bytes::from_owner(self)
        }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() >= LEAST {
            KEPT.give(std::mem::take(&mut self.0));
        }
    }
}

/// Sizes in steps of a sixteenth or less, so that buffers of like size serve each other. What budgets count is the bytes
/// used, so not much more than those may be held.
fn rounded(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 32).max(1);
    bytes.next_multiple_of(step)
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Free> {
        // Every critical section leaves the state whole, so a panic elsewhere does not make it unusable.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of at least this capacity, and not much more.
    fn take(&self, capacity: usize) -> Option<Vec<u8>> {
        let mut free = self.lock();
        let (&found, buffers) = free.by_capacity.range_mut(capacity..=capacity + capacity / 16).next()?;
        let buffer = buffers.pop();
        if buffers.is_empty() {
            free.by_capacity.remove(&found);
        }
        free.bytes -= buffer.as_ref().map_or(0, Vec::capacity);
        buffer
    }

    fn give(&self, buffer: Vec<u8>) {
        if buffer.capacity() > LARGEST {
            return;
        }
        // The allocator's again, outside the lock.
        let mut gone = Vec::new();
        let mut free = self.lock();
        while free.bytes + buffer.capacity() > MOST {
            gone.extend(free.evict(buffer.capacity()));
        }
        free.bytes += buffer.capacity();
        free.by_capacity.entry(buffer.capacity()).or_default().push(buffer);
        drop(free);
    }
}

impl Free {
    /// Let go of a buffer, of another size than this if there is one: what is given back now is what is used now.
    fn evict(&mut self, capacity: usize) -> Option<Vec<u8>> {
        let other = self.by_capacity.keys().rev().find(|other| **other != capacity);
        let chosen = other.copied().unwrap_or(capacity);
        let buffers = self.by_capacity.get_mut(&chosen)?;
        let buffer = buffers.pop();
        if buffers.is_empty() {
            self.by_capacity.remove(&chosen);
        }
        self.bytes -= buffer.as_ref().map_or(0, Vec::capacity);
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept { free: Mutex::new(Free { by_capacity: BTreeMap::new(), bytes: 0 }) }
    }

    #[test]
    fn sizes_are_rounded_by_a_sixteenth_at_most() {
        for bytes in [LEAST, LEAST + 1, 100_000, 524_288, 524_289, 700_000, 10 << 20] {
            let rounded = rounded(bytes);
            assert!(rounded >= bytes && rounded <= bytes + bytes / 16 + 1, "{bytes}: {rounded}");
        }
    }

    #[test]
    fn what_is_given_back_serves_those_of_like_size() {
        let kept = kept();
        kept.give(Vec::with_capacity(100_000));
        assert_eq!(kept.take(100_001), None);
        assert_eq!(kept.take(50_000), None);
        assert_eq!(kept.take(95_000).map(|buffer| buffer.capacity()), Some(100_000));
        assert_eq!(kept.take(95_000), None);
        assert_eq!(kept.lock().bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let kept = kept();
        for _ in 0..100 {
            kept.give(Vec::with_capacity(1 << 20));
        }
        let free = kept.lock();
        assert_eq!(free.bytes, MOST);
        assert_eq!(free.by_capacity.values().map(Vec::len).sum::<usize>(), MOST >> 20);
    }

    #[test]
    fn what_is_used_now_takes_the_place_of_what_was() {
        let kept = kept();
        for capacity in [1 << 20, 300_000, LARGEST + 1] {
            for _ in 0..1_000 {
                kept.give(Vec::with_capacity(capacity));
            }
        }
        let free = kept.lock();
        assert!(free.bytes <= MOST);
        assert_eq!(free.by_capacity.keys().copied().collect::<Vec<_>>(), [300_000]);
    }

    #[test]
    fn bytes_are_as_written() {
        for length in [0, 10, LEAST, 300_000] {
            let mut buffer = Buffer::with_capacity(length);
            assert!(buffer.is_empty() && buffer.capacity() >= length);
            buffer.resize(length, 7);
            let bytes = buffer.freeze();
            assert!(bytes.len() == length && bytes.iter().all(|byte| *byte == 7));
            drop(bytes);
            assert_eq!(Buffer::to_fill(length).len(), length);
        }
    }
}
