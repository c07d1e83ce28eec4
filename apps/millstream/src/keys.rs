//! The master keys of a server: from a file, from the environment, or one for a server that keeps nothing.

use crate::config::Storage;
use anyhow::{Context, Result, bail, ensure};
use millstream_control::State;
use millstream_host::fs;
use millstream_types::Timestamp;
use millstream_vault::{Keyring, Vault};
use std::io::ErrorKind;
use std::path::Path;
use zeroize::Zeroizing;

/// Keys themselves, for CI and the like. No flag: the arguments of a process are for all to see.
const VARIABLE: &str = "MILLSTREAM_ENCRYPTION_KEY";

/// The keys of a server. A file that is not there is no reason not to start: what is encrypted waits for it, and the rest
/// is served.
pub(crate) fn vault(file: Option<&Path>, storage: &Storage, now: Timestamp) -> Result<Vault> {
    let given = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()).map(Zeroizing::new);
    let keyring = match (file, given) {
        (Some(file), Some(_)) => bail!("--encryption-keys ({}) and {VARIABLE} exclude each other", file.display()),
        (None, Some(text)) => {
            Keyring::from_environment(&text, now).with_context(|| format!("cannot use {VARIABLE}"))?
        }
        (Some(file), None) => read(file)?.unwrap_or_else(|| {
            tracing::error!(
                file = %file.display(),
                "the file of master keys is not there: streams that are encrypted are neither written nor read until the \
                 server is started with it"
            );
            Keyring::default()
        }),
        // What is in memory alone is not at rest: so that tools which ask for encryption get it without a setting.
        (None, None) if *storage == Storage::Memory => Keyring::ephemeral(now),
        (None, None) => Keyring::default(),
    };
    Ok(Vault::new(keyring))
}

/// The keys of a file; `None` if there is no such file.
pub(crate) fn read(file: &Path) -> Result<Option<Keyring>> {
    let named = || format!("cannot read the master keys in {}", file.display());
    let text = match fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(named),
    };
    let mode = fs::mode(file).with_context(named)?;
    ensure!(
        mode & 0o027 == 0,
        "{} can be read by everybody on this machine, or written by others (mode {mode:03o}): chmod 600 it",
        file.display()
    );
    Keyring::from_file(&text).with_context(named).map(Some)
}

/// Say which streams wait for a key.
pub(crate) fn warn_of_missing(vault: &Vault, state: &State) {
    for stream in state.streams.values() {
        for key in &stream.data_keys {
            if let Err(error) = vault.check(&stream.arn, key) {
                tracing::warn!(
                    stream = stream.name,
                    %error,
                    "encrypted records of this stream can be neither written nor read without the master key; nothing of \
                     them is lost (--encryption-keys)"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, text.as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        for (mode, fine) in [(0o600, true), (0o400, true), (0o440, true), (0o644, false), (0o620, false)] {
            let (_directory, path) = file("format = 1\n", mode);
            assert_eq!(read(&path).is_ok(), fine, "{mode:o}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_no_key() {
        let (directory, path) = file("format = 1\n", 0o600);
        assert!(read(&directory.path().join("none")).unwrap().is_none());
        assert!(read(&path).unwrap().unwrap().is_empty());
        let (_directory, path) = file("nonsense", 0o600);
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("not a file of master keys"));
    }
}
