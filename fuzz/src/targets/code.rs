//! Function code: zips as strangers upload them, and the store's files as a disk gives them back.

use super::PLAIN;
use crate::{Scope, Target, Verdict};
use bytes::Bytes;
use millstream_functions::{CodeError, CodeRef, CodeStore, caps};
use millstream_host::fs;
use std::fs::symlink_metadata;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tokio::runtime::Runtime;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Work is done on other threads, whose memory counts: unpacking has buffers of its own, whatever the input.
const MEMORY: (usize, usize) = (4 << 20, 64);

pub(super) const CODE_ZIP: Target = Target {
    name: "code_zip",
    about: "a zip that somebody uploads",
    seeds: zips,
    repair: Some(|bytes| repair(bytes)),
    check: |bytes| upload(bytes),
    memory: MEMORY,
    scope: Scope::Process,
    tries: 400,
    ..PLAIN
};

pub(super) const CODE_STORE: Target = Target {
    name: "code_store",
    about: "a stored zip that the disk gives back",
    seeds: || zips().drain(..1).collect(),
    check: |bytes| stored(bytes),
    memory: MEMORY,
    scope: Scope::Process,
    tries: 200,
    ..PLAIN
};

type Writer = ZipWriter<Cursor<Vec<u8>>>;

fn zips() -> Vec<Vec<u8>> {
    let (plain, packed) = (SimpleFileOptions::default(), SimpleFileOptions::default());
    let plain = plain.compression_method(CompressionMethod::Stored);
    let packed = packed.compression_method(CompressionMethod::Deflated).unix_permissions(0o755);
    let made = |fill: &dyn Fn(&mut Writer)| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        fill(&mut writer);
        writer.finish().expect("memory takes it").into_inner()
    };
    let file = |writer: &mut Writer, name: &str, options, content: &[u8]| {
        writer.start_file(name, options).expect("the name is fine");
        writer.write_all(content).expect("memory takes it");
    };
    vec![
        made(&|writer| file(writer, "main.py", plain, b"def handler(event, context): return event\n")),
        made(&|writer| {
            file(writer, "bin/bootstrap", packed, &b"#!/bin/sh\n".repeat(50));
            file(writer, "lib/deep/er/x.txt", plain, b"x");
            writer.add_directory("empty/", plain).expect("the name is fine");
        }),
        made(&|writer| {
            file(writer, "lib/real", plain, b"real");
            writer.add_symlink("lib/link", "../lib/real", plain).expect("the name is fine");
            writer.add_symlink("up", "lib/deep/..", plain).expect("the name is fine");
        }),
        // Out by way of a link to the root: refused, and a mutation away from links that are not.
        made(&|writer| {
            file(writer, "d/e/x", plain, b"x");
            writer.add_symlink("d/e/up", "../..", plain).expect("the name is fine");
            writer.add_symlink("z", "d/e/up/..", plain).expect("the name is fine");
        }),
        made(&|_| ()),
    ]
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs nothing"));

/// A directory of its own with nothing but a store in it, in memory where there is such a place.
struct Place {
    directory: PathBuf,
    store: CodeStore,
}

impl Place {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = fs::create_unique_dir(&parent, "millstream-fuzz-").expect("there is room");
        let store = CodeStore::open(&directory.join("store")).expect("the directory is empty");
        Self { directory, store }
    }

    /// Nothing was written beside the store, and nothing is left of unfinished work.
    fn check(&self, stored: usize) {
        assert_eq!(names(&self.directory), ["store"], "nothing beside the store");
        assert_eq!(names(self.store.directory()), ["layers", "making", "unzipped", "zips"]);
        assert_eq!(names(&self.store.directory().join("making")), Vec::<String>::new());
        for place in ["zips", "unzipped"] {
            assert_eq!(names(&self.store.directory().join(place)).len(), stored, "{place}");
        }
    }

    fn put(&self, zip: &[u8]) -> Result<CodeRef, CodeError> {
        let put = RUNTIME.block_on(self.store.put_zip(Bytes::copy_from_slice(zip)));
        refused(&put);
        put
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).expect("it is ours");
    }
}

/// A stranger's zip is never taken for a fault of the disk, and nothing panicked.
fn refused<T>(result: &Result<T, CodeError>) {
    if let Err(error) = result {
        assert!(matches!(error, CodeError::BadZip(_)), "{error:?}");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("it is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn upload(zip: &[u8]) -> Verdict {
    let place = Place::new();
    let put = place.put(zip);
    place.check(usize::from(put.is_ok()));
    let Ok(code) = put else { return Verdict::Refused };
    assert_eq!(code.size, zip.len() as u64);
    assert!(code.unzipped_size <= caps::MAX_UNZIPPED_BYTES);
    let tree = RUNTIME.block_on(place.store.materialize(&code.key)).expect("it is there");
    assert_eq!(walk(&tree, &tree), code.unzipped_size, "as many bytes as were counted");
    Verdict::Read
}

/// Bytes of the files in a tree. No link leads out of it.
fn walk(root: &Path, directory: &Path) -> u64 {
    let mut bytes = 0;
    for name in names(directory) {
        let path = directory.join(name);
        let meta = symlink_metadata(&path).expect("it was listed");
        if meta.is_symlink() {
            if let Ok(target) = path.canonicalize() {
                let root = root.canonicalize().expect("it is there");
                assert!(target.starts_with(&root), "{} leads to {}", path.display(), target.display());
            }
        } else if meta.is_dir() {
            bytes += walk(root, &path);
        } else {
            assert!(meta.is_file());
            bytes += meta.len();
        }
    }
    bytes
}

/// The bytes are what the disk makes of the first zip: the store serves what was uploaded, or says that it cannot.
fn stored(bytes: &[u8]) -> Verdict {
    let place = Place::new();
    let good = &zips()[0];
    let code = place.put(good).expect("it is a good zip");
    let file = place.store.directory().join("zips").join(format!("{}.zip", code.key));
    fs::write(&file, bytes).expect("there is room");
    // A restart: what was made of the zip is gone.
    let store = CodeStore::open(place.store.directory()).expect("it is there");
    let read = RUNTIME.block_on(store.get_zip(&code.key));
    if let Ok(read) = &read {
        assert_eq!(read, good, "another zip than was uploaded");
    }
    let tree = RUNTIME.block_on(store.materialize(&code.key));
    if let Ok(tree) = &tree {
        assert_eq!(names(tree), ["main.py"]);
        let main = fs::read(&tree.join("main.py")).expect("it is there");
        assert!(main.starts_with(b"def handler"), "another file than was uploaded");
    }
    Verdict::of(&tree)
}

/// The checksums of what is stored without compression, in the local header and in the directory.
fn repair(bytes: &mut [u8]) {
    let field = |bytes: &[u8], at: usize, length: usize| -> Option<usize> {
        let field = bytes.get(at..at + length)?;
        Some(field.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    let starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect();
    for at in starts {
        let crc = || {
            let (length, start) = (field(bytes, at + 20, 4)?, field(bytes, at + 42, 4)?);
            let data = start + 30 + field(bytes, start + 26, 2)? + field(bytes, start + 28, 2)?;
            let is_stored = field(bytes, at + 10, 2)? == 0;
            let crc = crc32fast::hash(bytes.get(data..data.checked_add(length)?)?);
            is_stored.then_some((start, crc.to_le_bytes()))
        };
        if let Some((start, crc)) = crc() {
            bytes[at + 16..at + 20].copy_from_slice(&crc);
            bytes[start + 14..start + 18].copy_from_slice(&crc);
        }
    }
}
