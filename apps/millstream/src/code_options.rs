//! Directories that stand for S3 buckets with functions' code.

use crate::commands::function::package;
use anyhow::{Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use millstream_host::fs;
use millstream_lambda::{Buckets, Lambda, NoCode};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// See the module.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CodeOptions {
    /// A directory that stands for an S3 bucket when functions and layers are made: S3Key names a zip in it, or a directory,
    /// which is zipped. For code that is on this machine already, or is larger than the 50 MiB that a request may carry. May
    /// be given several times
    #[arg(
        long = "function-code",
        env = "MILLSTREAM_FUNCTION_CODE",
        value_name = "BUCKET=DIRECTORY",
        value_delimiter = ','
    )]
    pub(crate) code: Vec<Bucket>,
}

impl CodeOptions {
    /// The file's list, where flags and environment give none.
    pub(crate) fn or(self, file: Option<Vec<Bucket>>) -> Self {
        if self.code.is_empty() { Self { code: file.unwrap_or_default() } } else { self }
    }

    /// The service, which takes code from here too.
    pub(crate) fn given_to(&self, lambda: Lambda) -> Lambda {
        if self.code.is_empty() {
            return lambda;
        }
        let list = self.code.iter().map(|bucket| (bucket.name.clone(), bucket.directory.clone()));
        lambda.with_buckets(Arc::new(Directories(list.collect())))
    }
}

/// `BUCKET=DIRECTORY`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    name: String,
    directory: PathBuf,
}

impl FromStr for Bucket {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, directory) = text.split_once('=').unwrap_or((text, ""));
        ensure!(!directory.is_empty(), "{text:?} is not of the form BUCKET=DIRECTORY");
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        ensure!(
            (3..=63).contains(&name.len()) && name.bytes().all(is_name),
            "{name:?} is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens"
        );
        let directory = PathBuf::from(directory);
        ensure!(directory.is_dir(), "{} is not a directory", directory.display());
        Ok(Self { name: name.to_owned(), directory: directory.canonicalize()? })
    }
}

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[derive(Debug)]
struct Directories(BTreeMap<String, PathBuf>);

#[async_trait]
impl Buckets for Directories {
    async fn zip(&self, bucket: &str, key: &str, limit: usize) -> Result<Bytes, NoCode> {
        let directory = self.0.get(bucket).ok_or(NoCode::NoSuchBucket)?.clone();
        let key = key.to_owned();
        let read = tokio::task::spawn_blocking(move || read(&directory, &key, limit));
        read.await.map_err(|error| NoCode::Failed(io::Error::other(error)))?
    }
}

fn read(directory: &Path, key: &str, limit: usize) -> Result<Bytes, NoCode> {
    // A key leads down, and what it leads to is in the directory also when it is a link.
    let inside = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
    if key.is_empty() || key.contains('\0') || !inside {
        return Err(NoCode::NoSuchKey);
    }
    let path = match directory.join(key).canonicalize() {
        Ok(path) if path.starts_with(directory) => path,
        Ok(_) => return Err(NoCode::NoSuchKey),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(NoCode::NoSuchKey);
        }
        Err(error) => return Err(NoCode::Failed(error)),
    };
    let metadata = path.metadata().map_err(NoCode::Failed)?;
    if metadata.is_dir() {
        let (zip, _) = package::zipped(&path, &[]).map_err(|error| NoCode::Unusable(format!("{error:#}")))?;
        return Ok(zip.into());
    }
    if !metadata.is_file() {
        return Err(NoCode::NoSuchKey);
    }
    if metadata.len() > limit as u64 {
        return Err(NoCode::Unusable(format!("Zipped size must be smaller than {limit} bytes")));
    }
    fs::read(&path).map(Bytes::from).map_err(NoCode::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_name_and_a_directory_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let given = format!("my-code={}", home.path().display());
        let bucket: Bucket = given.parse().unwrap();
        assert_eq!(
            (bucket.name.as_str(), bucket.directory),
            ("my-code", home.path().canonicalize().unwrap())
        );
        for wrong in ["my-code", "my-code=", "My_Code=/", "ab=/", "my-code=/does/not/exist"] {
            assert!(wrong.parse::<Bucket>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_leads_nowhere_but_down() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().canonicalize().unwrap().join("code");
        fs::create_dir_all(&directory.join("enrich")).unwrap();
        fs::write(&directory.join("enrich/app.py"), b"pass").unwrap();
        fs::write(&directory.join("made.zip"), b"zip").unwrap();
        fs::write(&home.path().join("secret.zip"), b"secret").unwrap();
        std::os::unix::fs::symlink(home.path().join("secret.zip"), directory.join("link.zip")).unwrap();
        assert_eq!(read(&directory, "made.zip", 3).unwrap(), "zip");
        assert!(matches!(read(&directory, "made.zip", 2), Err(NoCode::Unusable(_))));
        assert!(read(&directory, "enrich", 0).unwrap().starts_with(b"PK"));
        for key in [
            "",
            ".",
            "..",
            "../secret.zip",
            "/etc/passwd",
            "enrich/../made.zip",
            "link.zip",
            "none.zip",
            "made.zip/x",
            "a\0b",
        ] {
            assert!(matches!(read(&directory, key, 100), Err(NoCode::NoSuchKey)), "{key:?}");
        }
    }
}
