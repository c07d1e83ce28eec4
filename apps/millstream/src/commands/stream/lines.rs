//! Lines of a file or of standard input, read by a thread that gets only so far ahead.

use std::io::{self, BufRead, Read};

/// What there is to read next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line without its end. `whole` is false for a last one that has no end.
    Line {
        whole: bool,
    },
    /// A line longer than it may be; it was passed over.
    TooLong,
    End,
}

/// Read a line of at most `limit` bytes into `line`, in place of what is there. Memory is bounded whatever comes.
pub(super) fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<Next> {
    line.clear();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if input.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(Next::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Next::Line { whole: true });
    }
    if line.len() <= limit {
        return Ok(Next::Line { whole: false });
    }
    line.clear();
    pass_over(input)?;
    Ok(Next::TooLong)
}

/// To the end of the line.
fn pass_over(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let there = input.fill_buf()?;
        let (length, found) = match end_of_line(there) {
            Some(at) => (at + 1, true),
            None => (there.len(), there.is_empty()),
        };
        input.consume(length);
        if found {
            return Ok(());
        }
    }
}

fn end_of_line(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], limit: usize) -> Vec<(Next, Vec<u8>)> {
        let mut input = io::BufReader::with_capacity(3, text);
        let (mut line, mut all) = (Vec::new(), Vec::new());
        loop {
            let next = read_line(&mut input, &mut line, limit).unwrap();
            if next == Next::End {
                return all;
            }
            all.push((next, line.clone()));
        }
    }

    #[test]
    fn lines_come_without_their_ends() {
        let line = |text: &str, whole| (Next::Line { whole }, text.as_bytes().to_vec());
        assert_eq!(read(b"", 9), []);
        assert_eq!(
            read(b"a\n\nb\r\nc", 9),
            [line("a", true), line("", true), line("b\r", true), line("c", false)]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_whole() {
        let line = |text: &str, whole| (Next::Line { whole }, text.as_bytes().to_vec());
        let long = || (Next::TooLong, vec![]);
        assert_eq!(read(b"aaaa\nbbbbb\nc\n", 4), [line("aaaa", true), long(), line("c", true)]);
        assert_eq!(read(b"bbbbbbbbbbbbbbb", 4), [long()]);
        assert_eq!(read(b"aaaa", 4), [line("aaaa", false)]);
    }
}
