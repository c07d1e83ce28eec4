use crate::{KeyError, KeyFileError, Secret, caps, hex};
use millstream_host::entropy;
use millstream_types::{Arn, Home, Timestamp};
use sha2::{Digest, Sha256};

/// The key that on AWS Kinesis itself owns, and that tools ask for when they name none.
pub const MASTER_KEY_OF_KINESIS: &str = "alias/aws/kinesis";

/// The operator's keys. They wrap the data keys of streams.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    pub(crate) keys: Vec<MasterKey>,
}

/// A master key with all its versions: the newest wraps, every one unwraps.
#[derive(Clone, Debug)]
pub struct MasterKey {
    /// A UUID, as KMS gives them.
    pub id: String,
    pub aliases: Vec<String>,
    /// A disabled key neither wraps nor unwraps.
    pub disabled: bool,
    /// From number 1 upwards, without gaps; at least one.
    pub versions: Vec<MasterKeyVersion>,
}

#[derive(Clone, Debug)]
pub struct MasterKeyVersion {
    pub created: Timestamp,
    pub material: Secret,
}

impl MasterKey {
    fn new(id: String, aliases: Vec<String>, now: Timestamp, material: Secret) -> Self {
        let versions = vec![MasterKeyVersion { created: now, material }];
        Self { id, aliases, disabled: false, versions }
    }

    /// The number of the version that wraps.
    pub fn newest(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn version(&self, number: u32) -> Result<&Secret, KeyError> {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let version = place.and_then(|place| self.versions.get(place));
        let none = || KeyError::NoSuchVersion { key: self.id.clone(), version: number };
        version.map(|version| &version.material).ok_or_else(none)
    }
}

impl Keyring {
    pub fn keys(&self) -> &[MasterKey] {
        &self.keys
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// One key that nobody else has, under the alias of Kinesis' own: for a server that keeps nothing.
    pub fn ephemeral(now: Timestamp) -> Self {
        let aliases = vec![MASTER_KEY_OF_KINESIS.to_owned()];
        Self { keys: vec![MasterKey::new(entropy::uuid(), aliases, now, Secret::random())] }
    }

    /// From `ALIAS=HEX[,ALIAS=HEX…]`, as it stands in an environment. A key's id follows from its material, so that it is the
    /// same at every start.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn from_environment(text: &str, now: Timestamp) -> Result<Self, KeyFileError> {
        let mut keyring = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (alias, material) = pair.split_once('=').ok_or(KeyFileError::Environment)?;
            let material = Secret::from_hex(material.trim()).ok_or(KeyFileError::Material)?;
            let digest =
                Sha256::new().chain_update("millstream master key id 1").chain_update(material.bytes());
            let id = uuid_of(&digest.finalize());
            keyring.keys.push(MasterKey::new(id, vec![alias.trim().to_owned()], now, material));
        }
        if keyring.is_empty() {
            return Err(KeyFileError::Environment);
        }
        keyring.checked()
    }

    /// Add a new key. Gives its id.
    ///
    /// # Errors
    /// If an alias is none or is taken, or there are too many keys.
    pub fn create(&mut self, aliases: Vec<String>, now: Timestamp) -> Result<String, KeyFileError> {
        let id = entropy::uuid();
        let mut next = self.clone();
        next.keys.push(MasterKey::new(id.clone(), aliases, now, Secret::random()));
        *self = next.checked()?;
        Ok(id)
    }

    /// Give a key a new version, which wraps from then on. Gives the version's number.
    ///
    /// # Errors
    /// If there is no such key, or it has too many versions.
    pub fn rotate(&mut self, name: &str, now: Timestamp) -> Result<u32, RotateError> {
        let key = self.keys.iter_mut().find(|key| key.is_called(name));
        let key = key.ok_or_else(|| KeyError::NoSuchKey(name.to_owned()))?;
        if key.versions.len() >= caps::VERSIONS_PER_KEY {
            return Err(too_many("versions of a key", caps::VERSIONS_PER_KEY).into());
        }
        key.versions.push(MasterKeyVersion { created: now, material: Secret::random() });
        Ok(key.newest())
    }

    /// The key that a request means by a key id, a key ARN, an alias or an alias ARN. The keys are the server's, and every
    /// account and region on it has them as its own.
    pub(crate) fn resolve(&self, key_id: &str, home: &Home) -> Result<&MasterKey, KeyError> {
        let none = || KeyError::NoSuchKey(key_id.to_owned());
        let arn = key_id.starts_with("arn:").then(|| key_id.parse::<Arn>()).transpose();
        let arn = arn.map_err(|_bad| none())?;
        let name = match &arn {
            None => key_id,
            Some(arn) if arn.service != "kms" || !home.owns(arn) => return Err(none()),
            Some(arn) => match arn.resource.strip_prefix("key/") {
                Some(id) if !id.starts_with("alias/") => id,
                Some(_) => return Err(none()),
                None => {
                    Some(arn.resource.as_str()).filter(|name| name.starts_with("alias/")).ok_or_else(none)?
                }
            },
        };
        self.keys.iter().find(|key| key.is_called(name)).ok_or_else(none)
    }

    pub(crate) fn by_id(&self, id: &str) -> Result<&MasterKey, KeyError> {
        self.keys.iter().find(|key| key.id == id).ok_or_else(|| KeyError::NoSuchKey(id.to_owned()))
    }

    /// Itself, if all of it is sound.
    pub(crate) fn checked(self) -> Result<Self, KeyFileError> {
        if self.keys.len() > caps::MASTER_KEYS {
            return Err(too_many("keys", caps::MASTER_KEYS));
        }
        let mut names = std::collections::BTreeSet::new();
        for key in &self.keys {
            if !is_uuid(&key.id) {
                return Err(KeyFileError::Id(key.id.clone()));
            }
            if key.versions.is_empty() {
                return Err(KeyFileError::Versions(key.id.clone()));
            }
            if key.versions.len() > caps::VERSIONS_PER_KEY {
                return Err(too_many("versions of a key", caps::VERSIONS_PER_KEY));
            }
            if key.aliases.len() > caps::ALIASES_PER_KEY {
                return Err(too_many("aliases of a key", caps::ALIASES_PER_KEY));
            }
            if let Some(bad) = key.aliases.iter().find(|alias| !is_alias(alias)) {
                return Err(KeyFileError::Alias(bad.clone()));
            }
            for name in key.aliases.iter().chain([&key.id]) {
                if !names.insert(name.as_str()) {
                    return Err(KeyFileError::Twice(name.clone()));
                }
            }
        }
        Ok(self)
    }
}

impl MasterKey {
    fn is_called(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// Why a key was not rotated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    File(#[from] KeyFileError),
}

fn too_many(what: &'static str, limit: usize) -> KeyFileError {
    KeyFileError::TooMany { what, limit }
}

fn is_uuid(id: &str) -> bool {
    let form = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    id.len() == 36 && id.bytes().enumerate().all(form)
}

fn is_alias(alias: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    let name = alias.strip_prefix("alias/").filter(|name| !name.is_empty() && name.bytes().all(plain));
    let reserved = alias.starts_with("alias/aws/") && alias != MASTER_KEY_OF_KINESIS;
    name.is_some() && !reserved && alias.len() <= caps::ALIAS_BYTES
}

/// The first sixteen bytes, in the form of a UUID.
fn uuid_of(digest: &[u8]) -> String {
    let mut text = hex::encode(&digest[..16]);
    for at in [8, 13, 18, 23] {
        text.insert(at, '-');
    }
    text
}
