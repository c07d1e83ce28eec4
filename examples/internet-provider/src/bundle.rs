//! The archives of the function and its layer, built from the files beside this crate.
//!
//! The same files give the same bytes on every machine, so that a second set-up sees that nothing has changed.

use std::io::{Cursor, Write as _};

use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::Error;

type Files = &'static [(&'static str, &'static str)];

const FUNCTION: Files = &[
    ("handler.py", include_str!("../function/handler.py")),
    ("kinesis.py", include_str!("../function/kinesis.py")),
    ("sigv4.py", include_str!("../function/sigv4.py")),
];

const LAYER: Files = &[
    ("bandwidth/cities.csv", include_str!("../layer/bandwidth/cities.csv")),
    ("bandwidth/countries.csv", include_str!("../layer/bandwidth/countries.csv")),
    ("bandwidth/plans.json", include_str!("../layer/bandwidth/plans.json")),
    ("python/bandwidth/__init__.py", include_str!("../layer/python/bandwidth/__init__.py")),
    ("python/bandwidth/catalogue.py", include_str!("../layer/python/bandwidth/catalogue.py")),
    ("python/bandwidth/places.py", include_str!("../layer/python/bandwidth/places.py")),
    ("python/bandwidth/tables.py", include_str!("../layer/python/bandwidth/tables.py")),
];

/// A zip file and what Lambda calls its `CodeSha256`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archive {
    pub(crate) bytes: Vec<u8>,
    pub(crate) code_sha256: String,
}

/// The deployment package of the function.
pub(crate) fn function() -> Result<Archive, Error> {
    archive(FUNCTION).map_err(|source| Error::Archive { of: "function", source })
}

/// The content of the layer, which Lambda unpacks into `/opt`.
pub(crate) fn layer() -> Result<Archive, Error> {
    archive(LAYER).map_err(|source| Error::Archive { of: "layer", source })
}

fn archive(files: Files) -> zip::result::ZipResult<Archive> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        zip.start_file(*path, options)?;
        zip.write_all(text.as_bytes())?;
    }
    let bytes = zip.finish()?.into_inner();
    let code_sha256 = base64_simd::STANDARD.encode_to_string(Sha256::digest(&bytes));
    Ok(Archive { bytes, code_sha256 })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_same_files_give_the_same_bytes() {
        assert_eq!(function().unwrap(), function().unwrap());
        assert_eq!(layer().unwrap(), layer().unwrap());
        assert_ne!(function().unwrap().code_sha256, layer().unwrap().code_sha256);
    }

    #[test]
    fn the_archive_holds_the_files_with_a_fixed_time() {
        let mut zip = zip::ZipArchive::new(Cursor::new(layer().unwrap().bytes)).unwrap();
        assert_eq!(zip.len(), LAYER.len());
        for (path, text) in LAYER {
            let mut file = zip.by_name(path).unwrap();
            assert_eq!(file.last_modified().unwrap().year(), 1980);
            assert_eq!(file.unix_mode().unwrap() & 0o777, 0o644);
            let mut found = String::new();
            assert_eq!(file.read_to_string(&mut found).unwrap(), text.len());
            assert_eq!(&found, text);
        }
    }
}
