//! Memory for the bytes of requests, reads and batches, as large as they are: tens of kilobytes to some megabytes each,
//! thousands a second. Taken from the allocator and given back each time, its pages would come and go with it, and the
//! kernel would have to find and clear each of them anew. So some of it is kept for the next one.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is smaller is not worth keeping.
const LEAST: usize = 64 << 10;

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

/// Sizes in steps of a quarter or less, so that buffers of like size serve each other.
fn rounded(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 8).max(1);
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
        let (&found, buffers) = free.by_capacity.range_mut(capacity..=capacity + capacity / 4).next()?;
        let buffer = buffers.pop();
        if buffers.is_empty() {
            free.by_capacity.remove(&found);
        }
        free.bytes -= buffer.as_ref().map_or(0, Vec::capacity);
        buffer
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut free = self.lock();
        if free.bytes + buffer.capacity() > MOST {
            // The allocator's again, outside the lock.
            drop(free);
            drop(buffer);
            return;
        }
        free.bytes += buffer.capacity();
        free.by_capacity.entry(buffer.capacity()).or_default().push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept { free: Mutex::new(Free { by_capacity: BTreeMap::new(), bytes: 0 }) }
    }

    #[test]
    fn sizes_are_rounded_by_a_quarter_at_most() {
        for bytes in [LEAST, LEAST + 1, 100_000, 524_288, 524_289, 700_000, 10 << 20] {
            let rounded = rounded(bytes);
            assert!(rounded >= bytes && rounded <= bytes + bytes / 4, "{bytes}: {rounded}");
        }
    }

    #[test]
    fn what_is_given_back_serves_those_of_like_size() {
        let kept = kept();
        kept.give(Vec::with_capacity(100_000));
        assert_eq!(kept.take(100_001), None);
        assert_eq!(kept.take(50_000), None);
        assert_eq!(kept.take(90_000).map(|buffer| buffer.capacity()), Some(100_000));
        assert_eq!(kept.take(90_000), None);
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
