use crate::caps;
use bytes::Bytes;

/// Bytes to be written one after another, of which large bodies stay where they are.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// Everything but the bodies in `bodies`; its memory is kept from one writing to the next.
    pub(crate) buffer: Vec<u8>,
    /// Bodies that are written from where they are, and where in `buffer` each one belongs.
    bodies: Vec<(usize, Bytes)>,
    /// Bytes of `bodies`.
    apart: usize,
}

impl Pieces {
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        self.let_go();
    }

    /// Let go of the bodies, which are their shards'.
    pub(crate) fn let_go(&mut self) {
        self.bodies.clear();
        self.apart = 0;
    }

    pub(crate) fn push_body(&mut self, body: &Bytes) {
        if body.len() < caps::COPIED_BODY {
            self.buffer.extend_from_slice(body);
            return;
        }
        self.bodies.push((self.buffer.len(), body.clone()));
        self.apart += body.len();
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len() + self.apart
    }

    /// All of it in order.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        let mut parts = Vec::with_capacity(2 * self.bodies.len() + 2);
        let mut from = 0;
        for (at, body) in &self.bodies {
            parts.push(&self.buffer[from..*at]);
            parts.push(&body[..]);
            from = *at;
        }
        parts.push(&self.buffer[from..]);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_in_their_places_whether_copied_or_not() {
        let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![7; caps::COPIED_BODY]));
        let mut pieces = Pieces::default();
        for _ in 0..2 {
            pieces.buffer.extend_from_slice(b"head");
            pieces.push_body(&large);
            pieces.push_body(&large);
            pieces.push_body(&small);
            assert_eq!(pieces.len(), 4 + 2 * large.len() + 5);
            assert_eq!(pieces.parts().concat(), [&b"head"[..], &large, &large, b"small"].concat());
            pieces.clear();
            assert_eq!((pieces.len(), pieces.parts().concat()), (0, Vec::new()));
        }
    }
}
