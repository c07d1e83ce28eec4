//! The file of master keys: TOML, so that it can be read and made by hand. See `docs/formats/encryption.md`.

use crate::{KeyFileError, Keyring, MasterKey, MasterKeyVersion, Secret};
use millstream_types::Timestamp;
use serde::{Deserialize, Deserializer, de};
use std::fmt::Write;
use zeroize::Zeroizing;

const HEAD: &str = "\
# Master keys of Millstream, made by `millstream keys`.
# Whoever has this file can read every encrypted record; without it nobody can. Keep a copy of it, apart from the data.
format = 1
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    #[serde(default)]
    keys: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    number: u32,
    #[serde(default)]
    created: Timestamp,
    #[serde(deserialize_with = "material")]
    material: Secret,
}

fn material<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    Secret::from_hex(&text).ok_or_else(|| de::Error::custom(KeyFileError::Material))
}

impl Keyring {
    /// From the text of a key file.
    ///
    /// # Errors
    /// If anything about it is amiss. The error has nothing of the keys in it.
    pub fn from_file(text: &str) -> Result<Self, KeyFileError> {
        let file: File = toml::from_str(text).map_err(|error| form(&error, text))?;
        if file.format != 1 {
            return Err(KeyFileError::Form(format!("format {} is not known to this version", file.format)));
        }
        let mut keys = Vec::with_capacity(file.keys.len());
        for key in file.keys {
            if !key
                .versions
                .iter()
                .map(|version| version.number)
                .eq(1..=u32::try_from(key.versions.len()).unwrap_or(0))
            {
                return Err(KeyFileError::Versions(key.id));
            }
            let version =
                |version: Version| MasterKeyVersion { created: version.created, material: version.material };
            let versions = key.versions.into_iter().map(version).collect();
            keys.push(MasterKey { id: key.id, aliases: key.aliases, disabled: key.disabled, versions });
        }
        Self { keys }.checked()
    }

    /// The text of a key file.
    pub fn to_file(&self) -> Zeroizing<String> {
        // As large as it gets, so that no half of it stays behind in memory that was outgrown.
        let versions: usize = self.keys.iter().map(|key| key.versions.len()).sum();
        let aliases: usize = self.keys.iter().flat_map(|key| &key.aliases).map(|alias| alias.len() + 4).sum();
        let mut text =
            Zeroizing::new(String::with_capacity(512 + 256 * (versions + self.keys.len()) + aliases));
        text.push_str(HEAD);
        for key in &self.keys {
            let aliases: Vec<String> = key.aliases.iter().map(|alias| format!("\"{alias}\"")).collect();
            let aliases = aliases.join(", ");
            let (id, disabled) = (&key.id, key.disabled);
            let head = format!("\n[[keys]]\nid = \"{id}\"\naliases = [{aliases}]\ndisabled = {disabled}\n");
            text.push_str(&head);
            for (version, number) in key.versions.iter().zip(1..) {
                let created = version.created.millis();
                let material = version.material.to_hex();
                // Writing to a string cannot fail.
                let written = writeln!(
                    text,
                    "\n[[keys.versions]]\nnumber = {number}\ncreated = {created}\nmaterial = \"{}\"",
                    material.as_str()
                );
                debug_assert!(written.is_ok());
            }
        }
        text
    }
}

/// What is wrong and where, without the line itself: it may be the one with the key.
fn form(error: &toml::de::Error, text: &str) -> KeyFileError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
    let message = if error.message().contains('`') { error.message() } else { "this is not understood" };
    // A value of the wrong type is quoted in the message: it may be a key without its quotes.
    let message =
        if error.message().starts_with("invalid type") { "a value of the wrong type" } else { message };
    let message = if error.message().contains("hexadecimal") { error.message() } else { message };
    KeyFileError::Form(format!("line {line}: {message}"))
}
