//! Merging layers into one tree, in which a later layer wins.

use crate::files;
use millstream_host::fs;
use std::io;
use std::path::Path;

/// Put the tree `from` over the tree `into`. Files are hard links: both trees are read-only to everybody.
pub(super) fn lay_over(from: &Path, into: &Path) -> io::Result<()> {
    for path in files::list(from)? {
        let Some(name) = path.file_name() else { continue };
        let target = into.join(name);
        let meta = std::fs::symlink_metadata(&path)?;
        let below = std::fs::symlink_metadata(&target).ok();
        if meta.is_dir() {
            if below.as_ref().is_some_and(|below| !below.is_dir()) {
                fs::remove_file(&target)?;
            }
            fs::create_dir_all(&target)?;
            files::set_mode(&target, 0o755)?;
            lay_over(&path, &target)?;
            continue;
        }
        match below {
            Some(below) if below.is_dir() => fs::remove_dir_all(&target)?,
            Some(_) => fs::remove_file(&target)?,
            None => {}
        }
        if meta.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&path)?, &target)?;
        } else {
            std::fs::hard_link(&path, &target)?;
        }
    }
    Ok(())
}
