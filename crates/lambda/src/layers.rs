//! Layers: which ones a function may use, and how the API shows them.

use crate::configuration::signed;
use crate::error::no_such_resource;
use crate::service::Lambda;
use crate::{Failure, caps};
use millstream_api_lambda as api;
use millstream_control::{LayerUse, LayerVersion, State};
use millstream_types::Arn;
use std::collections::BTreeMap;

/// A layer version's ARN, taken apart.
struct LayerName<'a> {
    region: &'a str,
    account: &'a str,
    layer: &'a str,
    version: u64,
}

fn take_apart(arn: &Arn) -> Option<LayerName<'_>> {
    let rest = arn.resource.strip_prefix("layer:").filter(|_| arn.service == "lambda")?;
    let (layer, version) = rest.split_once(':')?;
    let version = version.parse().ok()?;
    Some(LayerName { region: &arn.region, account: &arn.account, layer, version })
}

impl Lambda {
    /// The layers of a function in their order, each there and none twice. Texts as recorded on AWS.
    pub(crate) fn resolve_layers(&self, state: &State, arns: &[String]) -> Result<Vec<LayerUse>, Failure> {
        if arns.len() > caps::LAYERS {
            return Err(Failure::invalid(format!("Cannot reference more than {} layers.", caps::LAYERS)));
        }
        let mut used = Vec::with_capacity(arns.len());
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for arn in arns {
            let version = self.find_layer(state, arn)?;
            let layer = arn.rsplit_once(':').map_or(arn.as_str(), |(layer, _)| layer);
            if let Some(other) = seen.insert(layer, arn) {
                return Err(Failure::invalid(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. \
                     {other} and {arn} are versions of the same layer."
                )));
            }
            used.push(LayerUse { arn: arn.clone(), key: version.code.key.clone(), size: version.code.size });
        }
        Ok(used)
    }

    fn find_layer<'a>(&self, state: &'a State, arn: &str) -> Result<&'a LayerVersion, Failure> {
        let missing = || Failure::invalid(format!("Layer version {arn} does not exist."));
        let parsed: Arn = arn.parse().map_err(|_not_ours| missing())?;
        let name = take_apart(&parsed).ok_or_else(missing)?;
        let home = self.home();
        if name.region != home.region {
            return Err(Failure::invalid(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                home.region
            )));
        }
        if name.version < 1 {
            return Err(Failure::invalid("Layer Version Cannot be less than 1"));
        }
        let here = name.account == home.account;
        let version = state.layer_version(&home.key(name.layer), name.version).filter(|_| here);
        version.map(AsRef::as_ref).ok_or_else(missing)
    }

    /// A layer's key, from a name or an ARN without a version. A layer that is elsewhere is not there.
    pub(crate) fn layer_key(&self, text: &str) -> Result<String, Failure> {
        self.layer_name(text).map(|name| self.home().key(name))
    }

    pub(crate) fn layer_name<'a>(&self, text: &'a str) -> Result<&'a str, Failure> {
        let home = self.home();
        match text.strip_prefix(&home.arn("lambda", "layer:")) {
            Some(name) => Ok(name),
            None if text.starts_with("arn:") => Err(no_such_resource()),
            None => Ok(text),
        }
    }

    pub(crate) fn layer_version(
        &self,
        layer: &str,
        version: i64,
    ) -> Result<api::GetLayerVersionResponse, Failure> {
        let version = u64::try_from(version)
            .ok()
            .filter(|version| *version >= 1)
            .ok_or_else(|| Failure::invalid("Layer Version Cannot be less than 1"))?;
        let state = self.control().state();
        let found = state.layer_version(&self.layer_key(layer)?, version).ok_or_else(no_such_resource)?;
        Ok(self.show_layer_version(found))
    }

    pub(crate) fn layer_version_by_arn(&self, arn: &str) -> Result<api::GetLayerVersionResponse, Failure> {
        let parsed: Arn = arn.parse().map_err(|_not_ours| no_such_resource())?;
        let name = take_apart(&parsed).ok_or_else(no_such_resource)?;
        if name.region != self.home().region || name.account != self.home().account {
            return Err(no_such_resource());
        }
        self.layer_version(name.layer, i64::try_from(name.version).unwrap_or(i64::MAX))
    }

    pub(crate) fn show_layer_version(&self, version: &LayerVersion) -> api::GetLayerVersionResponse {
        let item = item(version);
        api::GetLayerVersionResponse {
            content: Some(self.layer_content(version)),
            layer_arn: Some(layer_arn(version)),
            layer_version_arn: item.layer_version_arn,
            description: item.description,
            created_date: item.created_date,
            version: item.version,
            compatible_architectures: item.compatible_architectures,
            compatible_runtimes: item.compatible_runtimes,
            license_info: item.license_info,
        }
    }

    pub(crate) fn layer_content(&self, version: &LayerVersion) -> api::LayerVersionContentOutput {
        api::LayerVersionContentOutput {
            location: Some(self.code_url(&version.code.key)),
            code_sha256: Some(version.code.sha256.clone()),
            code_size: Some(signed(version.code.size)),
            ..Default::default()
        }
    }
}

/// A layer's ARN, without the version.
pub(crate) fn layer_arn(version: &LayerVersion) -> String {
    version.arn.rsplit_once(':').map_or(version.arn.as_str(), |(layer, _)| layer).to_owned()
}

/// As the lists show it.
pub(crate) fn item(version: &LayerVersion) -> api::LayerVersionsListItem {
    let architectures = version.architectures.iter().map(|name| name.as_str().into()).collect();
    let runtimes = version.runtimes.iter().map(|name| name.as_str().into()).collect();
    api::LayerVersionsListItem {
        layer_version_arn: Some(version.arn.clone()),
        version: Some(signed(version.version)),
        description: Some(version.description.clone().unwrap_or_default()),
        created_date: Some(version.created.lambda_date()),
        compatible_architectures: (!version.architectures.is_empty()).then_some(architectures),
        compatible_runtimes: (!version.runtimes.is_empty()).then_some(runtimes),
        license_info: version.license.clone(),
    }
}

/// Whether a version says that it is made for what a list asks for.
pub(crate) fn suits(version: &LayerVersion, runtime: Option<&str>, architecture: Option<&str>) -> bool {
    runtime.is_none_or(|wanted| version.runtimes.iter().any(|runtime| runtime == wanted))
        && architecture
            .is_none_or(|wanted| version.architectures.iter().any(|architecture| architecture == wanted))
}
