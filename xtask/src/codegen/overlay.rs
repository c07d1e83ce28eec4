//! `models/*.overlay.toml`: what the model does not say, each entry with a reason.

use super::model::{Kind, Model};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overlay {
    pub(super) framework: Framework,
    /// Errors that come from the framework in front of the service.
    #[serde(default)]
    pub(super) error: Vec<ErrorEntry>,
    #[serde(default)]
    pub(super) success_status: Vec<SuccessStatus>,
    #[serde(default)]
    rename_shape: Vec<RenameShape>,
    #[serde(default)]
    omit_from_outputs: Vec<OmitFromOutputs>,
    #[serde(default)]
    optional_in_outputs: Vec<OptionalInOutputs>,
    #[serde(default)]
    enum_value: Vec<EnumValue>,
    #[serde(default)]
    enum_order: Vec<EnumOrder>,
    #[serde(default)]
    pub(super) pattern: Vec<PatternEntry>,
    #[serde(default)]
    pub(super) runtime_rule: Vec<RuntimeRule>,
}

/// Which errors stand for the four things that can go wrong before an operation runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Framework {
    pub(super) serialization: String,
    pub(super) validation: String,
    pub(super) unknown_operation: String,
    pub(super) internal: String,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorEntry {
    pub(super) name: String,
    pub(super) status: u16,
    #[serde(default)]
    pub(super) fault: bool,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuccessStatus {
    pub(super) operation: String,
    pub(super) status: u16,
    why: String,
}

/// A shape whose name means something else in Rust or in this crate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameShape {
    shape: String,
    to: String,
    why: String,
}

/// A member that is read but never written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OmitFromOutputs {
    member: String,
    why: String,
}

/// A member that the model requires and the service leaves out at times. Its shape must be one that is only written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionalInOutputs {
    shape: String,
    member: String,
    why: String,
}

/// A value of our own for an enum of the model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnumValue {
    shape: String,
    value: String,
    why: String,
}

/// The order in which the service names an enum's values where it refuses another one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnumOrder {
    shape: String,
    values: Vec<String>,
    why: String,
}

/// An equivalent, for the `regex` crate, of an expression that it does not know.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternEntry {
    pub(super) shape: String,
    pub(super) regex: String,
    why: String,
}

/// A constraint that depends on state, and so is checked by the operation; it becomes a comment on the member.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuntimeRule {
    pub(super) shape: String,
    pub(super) member: String,
    pub(super) rule: String,
    why: String,
}

pub(super) fn read(path: &Path) -> Result<Overlay> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let overlay: Overlay = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    overlay.check().with_context(|| format!("{}", path.display()))?;
    Ok(overlay)
}

impl Overlay {
    /// Every entry gives its reason.
    fn check(&self) -> Result<()> {
        let whys = std::iter::once(&self.framework.why)
            .chain(self.error.iter().map(|e| &e.why))
            .chain(self.success_status.iter().map(|e| &e.why))
            .chain(self.rename_shape.iter().map(|e| &e.why))
            .chain(self.omit_from_outputs.iter().map(|e| &e.why))
            .chain(self.optional_in_outputs.iter().map(|e| &e.why))
            .chain(self.enum_value.iter().map(|e| &e.why))
            .chain(self.enum_order.iter().map(|e| &e.why))
            .chain(self.pattern.iter().map(|e| &e.why))
            .chain(self.runtime_rule.iter().map(|e| &e.why));
        for why in whys {
            ensure!(!why.trim().is_empty(), "an entry has an empty `why`");
        }
        Ok(())
    }

    /// Changes the model where the overlay says so, and refuses entries that no longer apply to anything.
    pub(super) fn apply(&self, model: &mut Model) -> Result<()> {
        for entry in &self.pattern {
            let shape = model.shape(&entry.shape)?;
            ensure!(shape.pattern.is_some(), "[[pattern]] {}: the shape has no pattern", entry.shape);
        }
        for entry in &self.runtime_rule {
            let members = &model.shape(&entry.shape)?.members;
            let known = members.get(&entry.member).is_some();
            ensure!(known, "[[runtime_rule]] {} has no member {}", entry.shape, entry.member);
        }
        for entry in &self.success_status {
            let operation = model.operations.get_mut(&entry.operation);
            let operation = operation.with_context(|| format!("no operation {}", entry.operation))?;
            operation.http.response_code = Some(entry.status);
        }
        for entry in &self.omit_from_outputs {
            omit(model, &entry.member)?;
        }
        for entry in &self.optional_in_outputs {
            make_optional(model, &entry.shape, &entry.member)?;
        }
        for entry in &self.enum_value {
            add_value(model, &entry.shape, &entry.value)?;
        }
        for entry in &self.enum_order {
            order(model, &entry.shape, &entry.values)?;
        }
        for entry in &self.rename_shape {
            rename(model, &entry.shape, &entry.to)?;
        }
        Ok(())
    }
}

/// All shapes that an operation reads.
fn inputs(model: &Model) -> BTreeSet<String> {
    let inputs = model.operations.iter().filter_map(|(_, operation)| operation.input.as_ref());
    inputs.fold(BTreeSet::new(), |mut seen, input| {
        super::plan::reach(model, &input.shape, &mut seen);
        seen
    })
}

fn make_optional(model: &mut Model, shape: &str, member: &str) -> Result<()> {
    ensure!(!inputs(model).contains(shape), "[[optional_in_outputs]] {shape} is read too");
    let found = model.shapes.get_mut(shape);
    let required = &mut found.with_context(|| format!("[[optional_in_outputs]] no shape {shape}"))?.required;
    let before = required.len();
    required.retain(|key| key != member);
    ensure!(required.len() < before, "[[optional_in_outputs]] {shape} does not require {member}");
    Ok(())
}

fn add_value(model: &mut Model, shape: &str, value: &str) -> Result<()> {
    let found = model.shapes.get_mut(shape).with_context(|| format!("[[enum_value]] no shape {shape}"))?;
    ensure!(found.is_enum(), "[[enum_value]] {shape} is no enum");
    ensure!(found.values.iter().all(|known| known != value), "[[enum_value]] {shape} has {value} already");
    found.values.push(value.to_owned());
    Ok(())
}

fn order(model: &mut Model, shape: &str, values: &[String]) -> Result<()> {
    let found = model.shapes.get_mut(shape).with_context(|| format!("[[enum_order]] no shape {shape}"))?;
    let all = |values: &[String]| values.iter().cloned().collect::<BTreeSet<_>>();
    let same = values.len() == found.values.len() && all(values) == all(&found.values);
    ensure!(found.is_enum() && same, "[[enum_order]] {shape} has the values {:?}", found.values);
    ensure!(values != found.values, "[[enum_order]] {shape} has this order already");
    found.values = values.to_vec();
    Ok(())
}

fn omit(model: &mut Model, member: &str) -> Result<()> {
    let inputs = inputs(model);
    let mut omitted = 0_usize;
    for (name, shape) in &mut model.shapes.0 {
        if shape.kind == Kind::Structure && !inputs.contains(name) {
            let before = shape.members.0.len();
            shape.members.0.retain(|(key, _)| key != member);
            shape.required.retain(|key| key != member);
            omitted += before - shape.members.0.len();
        }
    }
    if omitted == 0 {
        bail!("[[omit_from_outputs]] no output has a member {member}");
    }
    Ok(())
}

fn rename(model: &mut Model, from: &str, to: &str) -> Result<()> {
    ensure!(model.shapes.get(to).is_none(), "[[rename_shape]] there is a shape {to} already");
    model.shape(from)?;
    let swap = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    for (name, shape) in &mut model.shapes.0 {
        swap(name);
        for (_, member) in &mut shape.members.0 {
            swap(&mut member.shape);
        }
        for reference in [&mut shape.member, &mut shape.key, &mut shape.value].into_iter().flatten() {
            swap(&mut reference.shape);
        }
    }
    for (_, operation) in &mut model.operations.0 {
        for reference in [&mut operation.input, &mut operation.output].into_iter().flatten() {
            swap(&mut reference.shape);
        }
    }
    Ok(())
}
