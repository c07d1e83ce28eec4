//! Unzipping what a stranger uploaded.

use super::{BadZip, CodeError};
use crate::caps;
use crate::files;
use bytes::Bytes;
use millstream_host::fs;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Component, Path, PathBuf};
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// A link target longer than this is refused (Linux: PATH_MAX).
const MAX_LINK: u64 = 4_096;

/// Parts of a path that are still to be followed: more than any path that Linux takes.
const MAX_LINK_PARTS: usize = 4_096;

/// Parts of link targets, those of links in them included, that are followed for one zip.
const MAX_LINK_STEPS: usize = 40 * caps::MAX_ZIP_ENTRIES;

/// Unzip into the empty directory `into` and return the number of bytes written.
///
/// Files keep their execute bits and are readable by all; directories are 755. Symbolic links are made last, so that no
/// file is ever written through one, and only if their target stays inside.
pub(super) fn unzip(zip: Bytes, into: &Path) -> Result<u64, CodeError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|error| unreadable(&error))?;
    let (count, limit) = (archive.len(), caps::MAX_ZIP_ENTRIES);
    if count > limit {
        return Err(BadZip::TooManyEntries { count, limit }.into());
    }
    let mut unzipping = Unzipping { into, entries: count, total: 0, links: BTreeMap::new() };
    for index in 0..count {
        unzipping.entry(archive.by_index(index).map_err(|error| unreadable(&error))?)?;
    }
    let links = std::mem::take(&mut unzipping.links);
    let mut steps = MAX_LINK_STEPS;
    if let Some(path) = links.keys().find(|path| leads_out(&links, path, &mut steps)) {
        return Err(unsafe_path(&path.display().to_string()));
    }
    for (path, target) in links {
        unzipping.make_dirs(parent(&path))?;
        std::os::unix::fs::symlink(target, into.join(&path)).map_err(|error| conflict(&error, &path))?;
    }
    Ok(unzipping.total)
}

struct Unzipping<'a> {
    into: &'a Path,
    /// Those of the zip, and the directories made for their paths.
    entries: usize,
    /// Bytes written.
    total: u64,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Unzipping<'_> {
    fn entry(&mut self, mut entry: ZipFile<'_, Cursor<Bytes>>) -> Result<(), CodeError> {
        let name = entry.name().map_err(|error| unreadable(&error))?.into_owned();
        let Some(path) = inside(&name) else { return Err(unsafe_path(&name)) };
        if entry.is_dir() {
            return self.make_dirs(&path);
        }
        if path.as_os_str().is_empty() {
            return Err(unsafe_path(&name));
        }
        let parent = parent(&path);
        if entry.is_symlink() {
            let mut text = String::new();
            (&mut entry).take(MAX_LINK).read_to_string(&mut text).map_err(|error| broken(&error))?;
            if !stays_inside(parent, Path::new(&text)) {
                return Err(unsafe_path(&name));
            }
            self.links.insert(path, PathBuf::from(text));
            return Ok(());
        }
        self.make_dirs(parent)?;
        let mode = 0o444 | (entry.unix_mode().unwrap_or(0o644) & 0o755);
        let mut content = (&mut entry).take(caps::MAX_UNZIPPED_BYTES + 1 - self.total);
        let target = self.into.join(&path);
        self.total += match files::create_from(&target, mode, &mut content) {
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(unsafe_path(&name)),
            // An error while copying is the disk's if the system gave it a number, and the zip's otherwise.
            Err(error) if error.raw_os_error().is_none() => return Err(broken(&error)),
            Err(source) => return Err(CodeError::Io { what: "write", path: target, source }),
        };
        if self.total > caps::MAX_UNZIPPED_BYTES {
            return Err(BadZip::UnzippedTooLarge { limit: caps::MAX_UNZIPPED_BYTES }.into());
        }
        Ok(())
    }

    /// Make the directories of `path`, refusing to go through anything that is not a directory.
    fn make_dirs(&mut self, path: &Path) -> Result<(), CodeError> {
        let limit = caps::MAX_ZIP_ENTRIES;
        let mut at = self.into.to_owned();
        for part in path.components() {
            at.push(part);
            match std::fs::symlink_metadata(&at) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => return Err(unsafe_path(&path.display().to_string())),
                Err(_) => {
                    self.entries += 1;
                    if self.entries > limit {
                        return Err(BadZip::TooManyEntries { count: self.entries, limit }.into());
                    }
                    fs::create_dir_all(&at)
                        .and_then(|()| files::set_mode(&at, 0o755))
                        .map_err(|error| conflict(&error, path))?;
                }
            }
        }
        Ok(())
    }
}

/// An entry's name as a relative path without any way up; `None` if it is not one, or too deep.
fn inside(name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let is_shallow = path.components().count() <= caps::MAX_ZIP_DEPTH;
    (is_shallow && !name.contains('\0')).then_some(path)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new(""))
}

/// Whether a link in directory `at` to `target` ends below the root, as far as names can tell.
fn stays_inside(at: &Path, target: &Path) -> bool {
    let mut depth = at.components().count();
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    target.components().next().is_some()
}

/// Whether a link leads out of the root by way of other links: a name below a link to the root is not as deep as it looks.
/// Links that lead in a circle never end, and count as leading out.
fn leads_out(links: &BTreeMap<PathBuf, PathBuf>, link: &Path, steps: &mut usize) -> bool {
    let mut at = parent(link).to_owned();
    let mut rest: Vec<Component<'_>> =
        links.get(link).iter().flat_map(|target| target.components().rev()).collect();
    while let Some(part) = rest.pop() {
        let Some(left) = steps.checked_sub(1) else { return true };
        *steps = left;
        match part {
            Component::CurDir => {}
            Component::ParentDir if at.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
            Component::Normal(name) => {
                at.push(name);
                if let Some(target) = links.get(&at) {
                    if rest.len() > MAX_LINK_PARTS {
                        return true;
                    }
                    at.pop();
                    rest.extend(target.components().rev());
                }
            }
        }
    }
    false
}

fn unreadable(error: &ZipError) -> CodeError {
    BadZip::Unreadable { why: error.to_string() }.into()
}

fn broken(error: &io::Error) -> CodeError {
    BadZip::Unreadable { why: error.to_string() }.into()
}

fn unsafe_path(path: &str) -> CodeError {
    BadZip::UnsafePath { path: path.to_owned() }.into()
}

/// Two entries that want the same place, unless the disk itself failed.
fn conflict(error: &io::Error, path: &Path) -> CodeError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied => {
            CodeError::Io { what: "write", path: path.to_owned(), source: error.kind().into() }
        }
        _ => unsafe_path(&path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINK_STEPS, inside, leads_out, stays_inside};
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn links_may_not_lead_out_by_way_of_each_other() {
        let out = |links: &[(&str, &str)], link: &str| {
            let links: BTreeMap<_, _> = links.iter().map(|(at, to)| ((*at).into(), (*to).into())).collect();
            leads_out(&links, Path::new(link), &mut MAX_LINK_STEPS.clone())
        };
        let root = ("d/e/up", "../..");
        assert!(!out(&[root], "d/e/up"));
        assert!(!out(&[root, ("z", "d/e/up/d/..")], "z"));
        assert!(out(&[root, ("z", "d/e/up/..")], "z"));
        assert!(out(&[root, ("y", "d/e/up/.."), ("z", "y")], "z"));
        assert!(out(&[("a", "b"), ("b", "a")], "a"), "a circle");
        assert!(out(&[("a", "a/a/a")], "a"), "a circle that grows");
    }

    #[test]
    fn names_and_links_may_not_lead_out() {
        assert_eq!(inside("./a/b.py").as_deref(), Some(Path::new("a/b.py")));
        for name in ["../a", "/a", "a/../../b", "a/../b", "a\0b"] {
            assert_eq!(inside(name), None, "{name:?}");
        }
        assert!(inside(&"d/".repeat(64)).is_some());
        assert_eq!(inside(&"d/".repeat(65)), None);
        let at = Path::new("lib/x");
        assert!(stays_inside(at, Path::new("../y.so")) && stays_inside(at, Path::new("../../z")));
        assert!(!stays_inside(at, Path::new("../../../etc")));
        assert!(!stays_inside(at, Path::new("/etc/passwd")) && !stays_inside(at, Path::new("")));
    }
}
