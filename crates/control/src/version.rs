use crate::{Code, Function, FunctionSettings, FunctionStatus, UpdateStatus};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a function was when it was published. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionVersion {
    pub code: Code,
    /// With the version's own description.
    pub settings: FunctionSettings,
    pub architectures: Vec<String>,
    pub revision_id: String,
    pub published: Timestamp,
}

/// A name for a version, or for two that share the invocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    pub target: AliasTarget,
    pub description: String,
    pub revision_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasTarget {
    /// `$LATEST` or a number.
    pub version: String,
    /// A second version, and its share of the invocations in billionths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional: Option<(String, u32)>,
}

/// All published versions of a function by number, and its aliases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub versions: BTreeMap<u64, Arc<FunctionVersion>>,
    /// The newest number ever given, so that none is given twice.
    pub newest: u64,
    pub aliases: BTreeMap<String, Arc<Alias>>,
}

impl Published {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `$LATEST` or a version goes by this name.
    pub fn has_version(&self, version: &str) -> bool {
        version == Function::LATEST || self.version(version).is_some()
    }

    /// Whether `$LATEST`, a version or an alias goes by this name.
    pub fn has_qualifier(&self, qualifier: &str) -> bool {
        self.has_version(qualifier) || self.aliases.contains_key(qualifier)
    }

    pub fn version(&self, version: &str) -> Option<&Arc<FunctionVersion>> {
        self.versions.get(&version.parse().ok()?)
    }

    /// Whether a version or an alias goes by this name, or it is the empty one of the function itself.
    pub(crate) fn names(&self, qualifier: &str) -> bool {
        qualifier.is_empty() || self.version(qualifier).is_some() || self.aliases.contains_key(qualifier)
    }

    /// The aliases that lead to a version.
    pub fn aliases_of(&self, version: &str) -> impl Iterator<Item = &str> {
        let leads = move |alias: &Alias| {
            let additional = alias.target.additional.as_ref().map(|(version, _)| version.as_str());
            alias.target.version == version || additional == Some(version)
        };
        self.aliases.iter().filter(move |(_, alias)| leads(alias)).map(|(name, _)| name.as_str())
    }
}

impl Function {
    pub const LATEST: &str = "$LATEST";

    /// Publish the code and settings that the API shows. One that is as the last published is not published again (API
    /// reference, PublishVersion). The version's number.
    pub(crate) fn publish(&mut self, description: Option<&str>, revision_id: String, at: Timestamp) -> u64 {
        let (code, settings) = self.shown();
        let mut settings = settings.clone();
        if let Some(last) = self.published.versions.get(&self.published.newest) {
            settings.description.clone_from(&last.settings.description);
            if last.code == *code && last.settings == settings && last.architectures == self.architectures {
                return self.published.newest;
            }
        }
        let own = &self.shown().1.description;
        description.unwrap_or(own).clone_into(&mut settings.description);
        let version = FunctionVersion {
            code: code.clone(),
            settings,
            architectures: self.architectures.clone(),
            revision_id,
            published: at,
        };
        self.published.newest += 1;
        self.published.versions.insert(self.published.newest, Arc::new(version));
        self.published.newest
    }

    /// The function as it was when a version was published, for whatever reads functions.
    #[must_use]
    pub fn as_published(&self, version: &FunctionVersion) -> Self {
        Self {
            name: self.name.clone(),
            arn: self.arn.clone(),
            code: version.code.clone(),
            settings: version.settings.clone(),
            architectures: version.architectures.clone(),
            tags: self.tags.clone(),
            revision_id: version.revision_id.clone(),
            modified: version.published,
            status: FunctionStatus::Active,
            update: UpdateStatus::Successful,
            next: None,
            published: Published::default(),
            reserved_concurrency: self.reserved_concurrency,
            event_invoke: BTreeMap::new(),
            policies: BTreeMap::new(),
            urls: BTreeMap::new(),
            provisioned: BTreeMap::new(),
        }
    }
}
