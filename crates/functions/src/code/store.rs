//! The store: zips that last, and directories made of them that need not. `docs/formats/code-store.md` has the layout.

use super::{BadZip, CodeError, CodeKey, CodeRef, layers, unzip};
use crate::{caps, files};
use bytes::Bytes;
use millstream_host::fs;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Content-addressed function code and layers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CodeStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    temporary: bool,
    /// One at a time makes a directory, so that the same one is not made twice.
    making: Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.directory)
        {
            tracing::warn!(%error, path = %self.directory.display(), "could not remove temporary function code");
        }
    }
}

impl CodeStore {
    /// Open the store in `directory`, which is made if it is not there. Directories left by an earlier run are thrown
    /// away: they are made of the zips again when needed, and only the zips were synced.
    pub fn open(directory: &Path) -> io::Result<Self> {
        Self::at(directory.to_owned(), false)
    }

    /// A store that is removed with its last clone.
    pub fn temporary() -> io::Result<Self> {
        Self::at(fs::create_unique_dir(&std::env::temp_dir(), "millstream-code-")?, true)
    }

    fn at(directory: PathBuf, temporary: bool) -> io::Result<Self> {
        for made in ["unzipped", "layers", "making"] {
            fs::remove_dir_all(&directory.join(made))?;
            fs::create_dir_all(&directory.join(made))?;
            files::set_mode(&directory.join(made), 0o755)?;
        }
        fs::create_dir_all(&directory.join("zips"))?;
        fs::sync_dir(&directory)?;
        Ok(Self { inner: Arc::new(Inner { directory, temporary, making: Mutex::new(()) }) })
    }

    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Check and store a zip. It is on disk when this returns. Storing the same bytes again changes nothing.
    pub async fn put_zip(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        let (size, limit) = (zip.len(), caps::MAX_ZIP_BYTES);
        if size > limit {
            return Err(BadZip::TooLarge { size, limit }.into());
        }
        let store = self.clone();
        let _making = self.inner.making.lock().await;
        blocking(move || store.put_now(&zip)).await
    }

    fn put_now(&self, zip: &Bytes) -> Result<CodeRef, CodeError> {
        let digest = Sha256::digest(zip);
        let key = CodeKey::of_digest(&digest);
        let unzipped_size = self.unzip_now(&key, zip.clone())?;
        let path = self.zip_path(&key);
        if !path.exists() {
            fs::write_durable(&path, zip).map_err(io_error("write", &path))?;
        }
        Ok(CodeRef {
            key,
            sha256_base64: base64_simd::STANDARD.encode_to_string(digest),
            size: zip.len() as u64,
            unzipped_size,
        })
    }

    /// The bytes of a zip.
    pub async fn get_zip(&self, key: &CodeKey) -> Result<Bytes, CodeError> {
        let (store, key) = (self.clone(), key.clone());
        blocking(move || store.read_now(&key)).await
    }

    fn read_now(&self, key: &CodeKey) -> Result<Bytes, CodeError> {
        let path = self.zip_path(key);
        match fs::read(&path) {
            Ok(zip) => Ok(zip.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(CodeError::Missing { key: key.clone() })
            }
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// The directory with the content of a zip, made once. It must not be changed.
    pub async fn materialize(&self, key: &CodeKey) -> Result<PathBuf, CodeError> {
        let path = self.unzipped_path(key);
        if path.is_dir() {
            return Ok(path);
        }
        let (store, key) = (self.clone(), key.clone());
        let _making = self.inner.making.lock().await;
        blocking(move || {
            if !path.is_dir() {
                let zip = store.read_now(&key)?;
                store.unzip_now(&key, zip)?;
            }
            Ok(path)
        })
        .await
    }

    /// The directory with the content of some layers in order, a later one winning, made once. No layers give an
    /// empty directory. It must not be changed.
    pub async fn materialize_layers(&self, keys: &[CodeKey]) -> Result<PathBuf, CodeError> {
        let path = self.layers_path(keys);
        if path.is_dir() {
            return Ok(path);
        }
        let mut trees = Vec::with_capacity(keys.len());
        for key in keys {
            trees.push(self.materialize(key).await?);
        }
        let store = self.clone();
        let _making = self.inner.making.lock().await;
        blocking(move || {
            if path.is_dir() {
                return Ok(path);
            }
            let made = store.make_dir()?;
            for tree in &trees {
                layers::lay_over(tree, &made).map_err(io_error("merge the layer", tree))?;
            }
            put_in_place(&made, &path)?;
            Ok(path)
        })
        .await
    }

    /// Remove every zip that is not in `keep`, and what was made of it. Returns how many zips went.
    ///
    /// Workers that still run removed code lose it under their feet: retire them first.
    pub async fn remove_unreferenced(&self, keep: &HashSet<CodeKey>) -> Result<usize, CodeError> {
        let (store, keep) = (self.clone(), keep.clone());
        let _making = self.inner.making.lock().await;
        blocking(move || store.remove_now(&keep)).await
    }

    fn remove_now(&self, keep: &HashSet<CodeKey>) -> Result<usize, CodeError> {
        let zips = self.inner.directory.join("zips");
        let mut removed = 0;
        for path in files::list(&zips).map_err(io_error("list", &zips))? {
            let key =
                path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse::<CodeKey>().ok());
            if key.as_ref().is_some_and(|key| keep.contains(key)) {
                continue;
            }
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
            if let Some(key) = key {
                let tree = self.unzipped_path(&key);
                fs::remove_dir_all(&tree).map_err(io_error("remove", &tree))?;
                removed += 1;
            }
        }
        fs::sync_dir(&zips).map_err(io_error("sync", &zips))?;
        Ok(removed)
    }

    /// Unzip to a place of its own, then rename it into place. Returns the size of the content.
    fn unzip_now(&self, key: &CodeKey, zip: Bytes) -> Result<u64, CodeError> {
        let made = self.make_dir()?;
        let unzipped = unzip::unzip(zip, &made);
        if unzipped.is_err() {
            // The first error is the one that says why; `open` removes what is left here.
            drop(fs::remove_dir_all(&made));
        }
        let size = unzipped?;
        put_in_place(&made, &self.unzipped_path(key))?;
        Ok(size)
    }

    fn make_dir(&self) -> Result<PathBuf, CodeError> {
        let parent = self.inner.directory.join("making");
        let made = fs::create_unique_dir(&parent, "").map_err(io_error("make a directory in", &parent))?;
        files::set_mode(&made, 0o755).map_err(io_error("open up", &made))?;
        Ok(made)
    }

    fn zip_path(&self, key: &CodeKey) -> PathBuf {
        self.inner.directory.join("zips").join(format!("{key}.zip"))
    }

    fn unzipped_path(&self, key: &CodeKey) -> PathBuf {
        self.inner.directory.join("unzipped").join(key.as_str())
    }

    fn layers_path(&self, keys: &[CodeKey]) -> PathBuf {
        let mut hash = Sha256::new();
        for key in keys {
            hash.update(key.as_str());
        }
        self.inner.directory.join("layers").join(CodeKey::of_digest(&hash.finalize()).as_str())
    }
}

/// Rename a finished directory; if the same one is there already, that one stays.
fn put_in_place(made: &Path, path: &Path) -> Result<(), CodeError> {
    if path.is_dir() {
        return fs::remove_dir_all(made).map_err(io_error("remove", made));
    }
    files::rename(made, path).map_err(io_error("move into place", path))
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CodeError {
    let path = path.to_owned();
    move |source| CodeError::Io { what, path, source }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CodeError> + Send + 'static,
) -> Result<T, CodeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(CodeError::Io {
            what: "finish the work on",
            path: PathBuf::new(),
            source: io::Error::other(error),
        }),
    }
}
