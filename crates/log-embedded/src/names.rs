//! Numbered files: ten digits and what kind they are.

use millstream_host::disk::Disk;
use std::io;

/// The number in a file's name, if it is of this kind.
pub(crate) fn number(file_name: &str, suffix: &str) -> Option<u32> {
    let digits = file_name.strip_suffix(suffix).filter(|digits| digits.len() == 10)?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Whether a file's name is that of one that was never finished.
pub(crate) fn is_temporary(file_name: &str) -> bool {
    file_name.strip_suffix(".tmp").is_some()
}

/// Remove a file that may not be there.
pub(crate) fn remove_if_there(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ten_digits_are_a_number() {
        assert_eq!(number("0000000012.wal", ".wal"), Some(12));
        for other in ["0000000012.tmp", "12.wal", "+000000012.wal", "00000000012.wal"] {
            assert_eq!(number(other, ".wal"), None, "{other}");
        }
    }
}
