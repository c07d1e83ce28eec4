//! Checksums made right again, as `docs/formats/` has them, and not with the code that is under test: what a mutation
//! changed then reaches the decoder behind the checksum.

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..)?.first_chunk::<N>()?;
    let mut word = [0; 8];
    word[..N].copy_from_slice(field);
    Some(u64::from_le_bytes(word))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number::<4>(bytes, at)?).ok()
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    number::<8>(bytes, at)
}

fn put_crc(bytes: &mut [u8], at: usize, crc: u32) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
        *field = crc.to_le_bytes();
    }
}

/// Magic in the first four bytes, CRC of the first 60 in the last four: how all headers of 64 bytes are.
pub(super) fn header(bytes: &mut [u8], magic: [u8; 4]) {
    if let Some(covered) = bytes.get(..60) {
        let crc = crc32c::crc32c(&[&magic, &covered[4..]].concat());
        bytes[..4].copy_from_slice(&magic);
        put_crc(bytes, 60, crc);
    }
}

/// Header, then a body of the length that the header says, or of what is there.
pub(super) fn group(bytes: &mut [u8]) {
    let Some((head, rest)) = bytes.split_at_mut_checked(64) else { return };
    let length = u32_at(head, 32).unwrap_or(0);
    if length > rest.len() {
        // A length that cannot be true is of no more use to anybody.
        let there = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        head[32..36].copy_from_slice(&there.to_le_bytes());
    }
    let body = rest.len().min(length);
    entries(&mut rest[..body]);
    put_crc(head, 56, crc32c::crc32c(&rest[..body]));
    header(head, *b"MSWG");
}

/// Each entry's batch.
pub(super) fn entries(mut bytes: &mut [u8]) {
    while let Some((head, rest)) = bytes.split_at_mut_checked(40) {
        let Some((batch, rest)) = u32_at(head, 32).and_then(|length| rest.split_at_mut_checked(length))
        else {
            return;
        };
        if head[0] == 1 {
            put_crc(head, 36, crc32c::crc32c(batch));
        }
        bytes = rest;
    }
}

/// A WAL file: its header, and whatever groups there are.
pub(super) fn wal_file(bytes: &mut [u8]) {
    header(bytes, *b"MSWF");
    for at in (4_096..bytes.len()).step_by(4_096) {
        if bytes[at..].starts_with(b"MSWG") {
            group(&mut bytes[at..]);
        }
    }
}

/// A frame, and how long it says it is.
pub(super) fn frame(bytes: &mut [u8]) -> Option<usize> {
    let end = u32_at(bytes, 28)?.checked_add(40).filter(|end| *end <= bytes.len());
    if let Some(end) = end {
        let crc = crc32c::crc32c(&bytes[40..end]);
        put_crc(bytes, 32, crc);
    }
    let crc = crc32c::crc32c(bytes.get(..36)?);
    put_crc(bytes, 36, crc);
    end
}

/// A segment: frames from the first on, footer, trailer. The footer begins where the trailer says, if it can.
pub(super) fn segment(bytes: &mut [u8]) {
    header(bytes, *b"MSSH");
    let Some(trailer_at) = bytes.len().checked_sub(64) else { return };
    let (body, trailer) = bytes.split_at_mut(trailer_at);
    let footer_at =
        u64_at(trailer, 32).and_then(|at| usize::try_from(at).ok()).filter(|at| *at <= body.len());
    if let Some(footer) = footer_at.and_then(|at| body.get(at..)) {
        put_crc(trailer, 40, crc32c::crc32c(footer));
    }
    header(trailer, *b"MSST");
    let mut frames = body.get_mut(64..footer_at.unwrap_or(64)).unwrap_or_default();
    while let Some(end) = frame(frames) {
        frames = frames.get_mut(end..).unwrap_or_default();
    }
}

pub(super) fn checkpoint(bytes: &mut [u8]) {
    let Some(body) = bytes.get(64..) else { return };
    let crc = crc32c::crc32c(body);
    put_crc(bytes, 56, crc);
    header(bytes, *b"MSCK");
}
