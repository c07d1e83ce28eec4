//! The store: zips that last, and directories made of them that need not. `docs/formats/code-store.md` has the layout.

use super::pins::{Pin, Pins};
use super::{BadZip, CodeError, CodeKey, CodeRef, layers, unzip};
use crate::{caps, files};
use bytes::Bytes;
use millstream_host::clock::{Clock, SystemClock};
use millstream_host::fs;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
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
    making: Arc<Mutex<Made>>,
    pins: Arc<Pins>,
    clock: Arc<dyn Clock>,
}

/// What was made since the store was opened and cannot be read off the names.
#[derive(Debug, Default)]
struct Made {
    /// The layers in each directory of `layers`.
    layers: HashMap<PathBuf, Vec<CodeKey>>,
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
        fs::create_dir_all(&directory)?;
        // Other users of the machine have no business here; a sandbox is shown what it may see by mounts.
        files::set_mode(&directory, 0o700)?;
        for made in ["unzipped", "layers", "making"] {
            fs::remove_dir_all(&directory.join(made))?;
            fs::create_dir_all(&directory.join(made))?;
            files::set_mode(&directory.join(made), 0o755)?;
        }
        fs::create_dir_all(&directory.join("zips"))?;
        files::set_mode(&directory.join("zips"), 0o700)?;
        fs::sync_dir(&directory)?;
        let (making, pins, clock) = (Arc::default(), Arc::default(), SystemClock::shared());
        Ok(Self { inner: Arc::new(Inner { directory, temporary, making, pins, clock }) })
    }

    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Check and store a zip. It is on disk when this returns. Storing the same bytes again changes nothing.
    pub async fn put_zip(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        self.put_within(zip, caps::MAX_ZIP_BYTES).await
    }

    /// [`CodeStore::put_zip`] of one that was not sent with a request and may be larger.
    pub async fn put_large_zip(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        self.put_within(zip, caps::MAX_LARGE_ZIP_BYTES).await
    }

    async fn put_within(&self, zip: Bytes, limit: usize) -> Result<CodeRef, CodeError> {
        let size = zip.len();
        if size > limit {
            return Err(BadZip::TooLarge { size, limit }.into());
        }
        let store = self.clone();
        self.making(move |_| store.put_now(&zip)).await
    }

    fn put_now(&self, zip: &Bytes) -> Result<CodeRef, CodeError> {
        let digest = Sha256::digest(zip);
        let key = CodeKey::of_digest(&digest);
        let unzipped_size = self.unzip_now(&key, zip.clone())?;
        let path = self.zip_path(&key);
        // Again if what is there has rotted.
        if !path.exists() || self.read_now(&key).is_err() {
            fs::write_durable(&path, zip).map_err(io_error("write", &path))?;
            files::set_mode(&path, 0o600).map_err(io_error("protect", &path))?;
        }
        self.inner.pins.uploaded(key.clone(), self.inner.clock.monotonic());
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

    /// The name says what the bytes must be, so bytes that rotted are seen.
    fn read_now(&self, key: &CodeKey) -> Result<Bytes, CodeError> {
        let path = self.zip_path(key);
        match fs::read(&path) {
            Ok(zip) if CodeKey::of_digest(&Sha256::digest(&zip)) == *key => Ok(zip.into()),
            Ok(_) => {
                let damaged = "the file is damaged: it is not what its name says. Upload the code again";
                Err(io_error("read", &path)(io::Error::new(io::ErrorKind::InvalidData, damaged)))
            }
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
        self.making(move |_| {
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
        let (store, keys) = (self.clone(), keys.to_vec());
        self.making(move |making| {
            if path.is_dir() {
                return Ok(path);
            }
            let made = store.make_dir()?;
            for tree in &trees {
                layers::lay_over(tree, &made).map_err(io_error("merge the layer", tree))?;
            }
            making.layers.insert(path.clone(), keys);
            put_in_place(&made, &path)?;
            Ok(path)
        })
        .await
    }

    /// Keep some code until the pin is dropped, whatever [`CodeStore::remove_unreferenced`] is told.
    pub(crate) fn pin(&self, keys: Vec<CodeKey>) -> Pin {
        self.inner.pins.pin(keys)
    }

    /// Remove every zip that is not in `keep`, and what was made of it: its content, and merged layers that it is one
    /// of. Returns how many zips went.
    ///
    /// To be called from time to time while the server runs: what living workers run stays, and so does what was
    /// uploaded in the last [`caps::UPLOAD_GRACE`], since what will refer to it may not be written yet. Both go with
    /// a later call. `keep` may therefore be a little older than this call, but not older than that grace.
    pub async fn remove_unreferenced(&self, keep: &HashSet<CodeKey>) -> Result<usize, CodeError> {
        let (store, keep) = (self.clone(), keep.clone());
        self.making(move |making| store.remove_now(&keep, making)).await
    }

    fn remove_now(&self, keep: &HashSet<CodeKey>, making: &mut Made) -> Result<usize, CodeError> {
        let zips = self.inner.directory.join("zips");
        let rubbish = self.make_dir()?;
        let mut removed = 0;
        for (number, path) in files::list(&zips).map_err(io_error("list", &zips))?.into_iter().enumerate() {
            let name = path.file_stem().and_then(|name| name.to_str());
            match name.and_then(|name| name.parse::<CodeKey>().ok()) {
                Some(key) if keep.contains(&key) => {}
                Some(key) => {
                    let place = rubbish.join(number.to_string());
                    removed += usize::from(self.take_away(&key, &path, &place, making)?);
                }
                // Nobody uploads now.
                None => fs::remove_file(&path).map_err(io_error("remove", &path))?,
            }
        }
        fs::sync_dir(&zips).map_err(io_error("sync", &zips))?;
        fs::remove_dir_all(&rubbish).map_err(io_error("remove", &rubbish))?;
        Ok(removed)
    }

    /// Move a zip and all that was made of it to the new directory `place`, unless it is needed. Moving is quick:
    /// nobody can pin the code meanwhile.
    fn take_away(
        &self,
        key: &CodeKey,
        zip: &Path,
        place: &Path,
        making: &mut Made,
    ) -> Result<bool, CodeError> {
        let pins = self.inner.pins.state();
        if pins.holds(key, self.inner.clock.monotonic()) {
            return Ok(false);
        }
        fs::create_dir_all(place).map_err(io_error("make", place))?;
        files::rename(zip, &place.join("zip")).map_err(io_error("remove", zip))?;
        let merged = making.layers.extract_if(|_, layers| layers.contains(key)).map(|(path, _)| path);
        for (number, tree) in merged.chain([self.unzipped_path(key)]).enumerate() {
            match files::rename(&tree, &place.join(number.to_string())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("remove", &tree)(error));
                }
                _ => {}
            }
        }
        drop(pins);
        Ok(true)
    }

    /// Do work that makes or removes directories, one at a time. It is done to its end, and nothing else begins before,
    /// also if whoever asked for it is gone.
    async fn making<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Made) -> Result<T, CodeError> + Send + 'static,
    ) -> Result<T, CodeError> {
        let mut making = Arc::clone(&self.inner.making).lock_owned().await;
        blocking(move || work(&mut making)).await
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
    match files::rename(made, path) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) =>
        {
            fs::remove_dir_all(made).map_err(io_error("remove", made))
        }
        other => other.map_err(io_error("move into place", path)),
    }
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
