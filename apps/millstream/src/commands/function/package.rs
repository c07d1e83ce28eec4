//! A directory as the zip that Lambda takes. The same files give the same bytes, whenever and wherever, so that a function
//! whose code has not changed is known as that.

use crate::commands::caps;
use anyhow::{Context, Result, bail, ensure};
use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use sha2::{Digest, Sha256};
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Patterns, one a line, of what is to stay out of the zip: the form of .gitignore.
pub(super) const IGNORE_FILE: &str = ".millstreamignore";

/// What belongs to no function.
const LEFT_OUT: &[&str] = &[
    IGNORE_FILE,
    ".git",
    ".gitignore",
    ".hg",
    ".svn",
    ".DS_Store",
    ".idea",
    ".vscode",
    ".venv",
    "__pycache__",
    "*.pyc",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
];

/// A deployment package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) zip: Vec<u8>,
    /// What Lambda calls `CodeSha256`.
    pub(super) code_sha256: String,
    /// Paths in the zip, in their order. Of a zip that was given: nothing.
    pub(super) paths: Vec<String>,
}

impl Package {
    /// Of a directory, or a zip that is there already.
    pub(super) fn read(path: &Path, exclude: &[String]) -> Result<Self> {
        let shown = path.display();
        let is_zip = path.extension().is_some_and(|extension| extension == "zip");
        if is_zip && path.is_file() {
            let zip = millstream_host::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
            return Self::new(zip, Vec::new());
        }
        ensure!(path.is_dir(), "{shown} is neither a directory nor a .zip file");
        let (zip, paths) = zipped(path, exclude)?;
        Self::new(zip, paths)
    }

    fn new(zip: Vec<u8>, paths: Vec<String>) -> Result<Self> {
        ensure!(
            zip.len() <= caps::ZIP_BYTES,
            "the zip has {} MiB, and {} are the most that can be sent; put libraries into a layer",
            zip.len() >> 20,
            caps::ZIP_BYTES >> 20
        );
        let code_sha256 = base64_simd::STANDARD.encode_to_string(Sha256::digest(&zip));
        Ok(Self { zip, code_sha256, paths })
    }

    /// Whether this file is in the package; `None` where that is not known.
    pub(super) fn has(&self, path: &str) -> Option<bool> {
        (!self.paths.is_empty()).then(|| self.paths.iter().any(|known| known == path))
    }
}

/// A directory as a zip, and the paths in it.
pub(crate) fn zipped(path: &Path, exclude: &[String]) -> Result<(Vec<u8>, Vec<String>)> {
    let shown = path.display();
    let files = files(path, exclude)?;
    ensure!(!files.is_empty(), "there is nothing in {shown} to deploy");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut unzipped = 0;
    for (name, file) in &files {
        let whole = || format!("cannot read {}", file.display());
        let executable = file.metadata().with_context(whole)?.permissions().mode() & 0o111 != 0;
        let bytes = millstream_host::fs::read(file).with_context(whole)?;
        unzipped += u64::try_from(bytes.len())?;
        ensure!(
            unzipped <= caps::UNZIPPED_BYTES,
            "{shown} holds more than {} MiB, which is the most; {IGNORE_FILE} can leave files out",
            caps::UNZIPPED_BYTES >> 20
        );
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(if executable { 0o755 } else { 0o644 });
        zip.start_file(name.as_str(), options)?;
        zip.write_all(&bytes)?;
    }
    Ok((zip.finish()?.into_inner(), files.into_iter().map(|(name, _)| name).collect()))
}

/// Files below a directory with their names in the zip, in the order of the names.
fn files(directory: &Path, exclude: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut left_out = OverrideBuilder::new(directory);
    for pattern in LEFT_OUT.iter().copied().chain(exclude.iter().map(String::as_str)) {
        left_out.add(&format!("!{pattern}")).with_context(|| format!("{pattern:?} is no pattern"))?;
    }
    let walk = WalkBuilder::new(directory)
        .standard_filters(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .overrides(left_out.build()?)
        .follow_links(true)
        .build();
    let mut files = Vec::new();
    for entry in walk {
        let entry = entry?;
        let path = entry.path();
        let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else { continue };
        ensure!(kind.is_file(), "{} is no ordinary file", path.display());
        let name = path.strip_prefix(directory).unwrap_or(path);
        let Some(name) = name.to_str() else { bail!("{} is not UTF-8", path.display()) };
        files.push((name.to_owned(), path.to_owned()));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::fs;
    use std::io::Read;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text.as_bytes()).unwrap();
        }
        home
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let files = [("b.py", "b"), ("a/x.py", "x"), ("a.py", "a")];
        let mut backwards = files;
        backwards.reverse();
        let (one, other) = (directory(&files), directory(&backwards));
        let package = Package::read(one.path(), &[]).unwrap();
        assert_eq!(package, Package::read(other.path(), &[]).unwrap());
        assert_eq!(package.paths, ["a.py", "a/x.py", "b.py"]);
        fs::write(&one.path().join("b.py"), b"c").unwrap();
        assert_ne!(package.code_sha256, Package::read(one.path(), &[]).unwrap().code_sha256);
    }

    #[test]
    fn what_belongs_to_no_function_stays_out() {
        let home = directory(&[
            (".millstreamignore", "*.md\n/data/\n!keep.md\n"),
            ("app.py", ""),
            ("keep.md", ""),
            ("README.md", ""),
            ("data/big", ""),
            ("lib/data/small", ""),
            (".git/config", ""),
            ("lib/__pycache__/x.pyc", ""),
            (".hidden", ""),
            ("tests/test_app.py", ""),
        ]);
        let package = Package::read(home.path(), &["tests".to_owned()]).unwrap();
        assert_eq!(package.paths, [".hidden", "app.py", "keep.md", "lib/data/small"]);
        assert_eq!((package.has("app.py"), package.has("x")), (Some(true), Some(false)));
    }

    #[test]
    fn a_program_stays_one_that_can_be_run() {
        let home = directory(&[("bootstrap", "#!"), ("data", "")]);
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(home.path().join("bootstrap"), mode).unwrap();
        let package = Package::read(home.path(), &[]).unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(&package.zip)).unwrap();
        for (name, mode) in [("bootstrap", 0o755), ("data", 0o644)] {
            let mut file = zip.by_name(name).unwrap();
            assert_eq!(file.unix_mode().unwrap() & 0o777, mode, "{name}");
            assert_eq!(file.last_modified().unwrap().year(), 1980);
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
        }
    }

    #[test]
    fn a_zip_is_taken_as_it_is() {
        let home = directory(&[("code.zip", "not looked into")]);
        let package = Package::read(&home.path().join("code.zip"), &[]).unwrap();
        assert_eq!((package.zip.as_slice(), package.has("x")), (&b"not looked into"[..], None));
    }

    #[test]
    fn nothing_to_deploy_is_an_error() {
        let home = directory(&[(".git/config", "")]);
        assert!(Package::read(home.path(), &[]).unwrap_err().to_string().contains("nothing in"));
        assert!(
            Package::read(&home.path().join("nowhere"), &[]).unwrap_err().to_string().contains("neither")
        );
    }
}
