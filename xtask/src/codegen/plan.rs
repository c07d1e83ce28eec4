//! Which shapes are generated, for which direction, and in which file.

use super::model::{Kind, Location, Member, Model, Shape};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// The most required members that the bit set of absent ones holds.
const MAX_REQUIRED: usize = 64;

/// The most shapes in one operation's file.
const MAX_OWN_SHAPES: usize = 8;

/// Where a type lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In the file of the one operation that uses it.
    Operation(String),
    Shared,
}

#[derive(Debug)]
pub(super) struct Plan {
    /// Structures and enums to generate.
    pub(super) homes: BTreeMap<String, Home>,
    inputs: BTreeSet<String>,
    outputs: BTreeSet<String>,
    roots: BTreeSet<String>,
    /// Structures that hold themselves through structure members alone.
    recursive: BTreeSet<String>,
}

impl Plan {
    pub(super) fn new(model: &Model) -> Result<Self> {
        let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let (mut inputs, mut outputs, mut roots) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (name, operation) in model.operations.iter() {
            for (root, side) in [(&operation.input, &mut inputs), (&operation.output, &mut outputs)] {
                let Some(root) = root else { continue };
                let mut seen = BTreeSet::new();
                reach(model, &root.shape, &mut seen);
                for shape in &seen {
                    users.entry(shape.clone()).or_default().insert(name.to_owned());
                }
                side.extend(seen);
            }
            roots.extend(operation.input.iter().map(|root| root.shape.clone()));
        }
        let mut homes = BTreeMap::new();
        for (name, users) in users {
            let shape = model.shape(&name)?;
            ensure!(shape.required.len() <= MAX_REQUIRED, "{name} has too many required members");
            if shape.is_named() && !shape.exception && !shape.eventstream {
                let mut users = users.into_iter();
                let only = users.next().filter(|_| users.next().is_none());
                homes.insert(name, only.map_or(Home::Shared, Home::Operation));
            }
        }
        spread(model, &mut homes);
        let recursive =
            homes.keys().filter(|name| holds(model, name, name, &mut BTreeSet::new())).cloned().collect();
        Ok(Self { homes, inputs, outputs, roots, recursive })
    }

    pub(super) fn is_input(&self, shape: &str) -> bool {
        self.inputs.contains(shape)
    }

    pub(super) fn is_output(&self, shape: &str) -> bool {
        self.outputs.contains(shape)
    }

    pub(super) fn is_root_input(&self, shape: &str) -> bool {
        self.roots.contains(shape)
    }

    pub(super) fn is_recursive(&self, shape: &str) -> bool {
        self.recursive.contains(shape)
    }

    /// Whether anything below this shape has a constraint.
    pub(super) fn has_rules(model: &Model, name: &str) -> bool {
        rules_below(model, name, &mut BTreeSet::new())
    }
}

/// Operations with very many shapes of their own keep only their input and output; the others get files.
fn spread(model: &Model, homes: &mut BTreeMap<String, Home>) {
    for (name, operation) in model.operations.iter() {
        let own: Vec<String> = homes
            .iter()
            .filter(|(_, home)| **home == Home::Operation(name.to_owned()))
            .map(|(shape, _)| shape.clone())
            .collect();
        let roots = [&operation.input, &operation.output];
        for shape in own.iter().filter(|_| own.len() > MAX_OWN_SHAPES) {
            if !roots.iter().any(|root| root.as_ref().is_some_and(|root| root.shape == *shape)) {
                homes.insert(shape.clone(), Home::Shared);
            }
        }
    }
}

/// Every shape below `name`, itself included.
pub(super) fn reach(model: &Model, name: &str, seen: &mut BTreeSet<String>) {
    if !seen.insert(name.to_owned()) {
        return;
    }
    let Some(shape) = model.shapes.get(name) else { return };
    if shape.exception {
        return;
    }
    for (_, member) in shape.members.iter() {
        reach(model, &member.shape, seen);
    }
    for reference in [&shape.member, &shape.key, &shape.value].into_iter().flatten() {
        reach(model, &reference.shape, seen);
    }
}

fn holds(model: &Model, holder: &str, wanted: &str, seen: &mut BTreeSet<String>) -> bool {
    let Some(shape) = model.shapes.get(holder) else { return false };
    shape.members.iter().any(|(_, member)| {
        member.shape == wanted
            || (seen.insert(member.shape.clone()) && holds(model, &member.shape, wanted, seen))
    })
}

fn rules_below(model: &Model, name: &str, seen: &mut BTreeSet<String>) -> bool {
    let Some(shape) = model.shapes.get(name) else { return false };
    if has_own_rule(shape) {
        return true;
    }
    if !seen.insert(name.to_owned()) {
        return false;
    }
    let below = shape.members.iter().map(|(_, member)| member.shape.as_str());
    let items =
        [&shape.member, &shape.key, &shape.value].into_iter().flatten().map(|item| item.shape.as_str());
    below.chain(items).any(|below| rules_below(model, below, seen))
}

/// Whether values of this shape alone can break a constraint.
pub(super) fn has_own_rule(shape: &Shape) -> bool {
    match shape.kind {
        Kind::Structure => !shape.required.is_empty(),
        Kind::Boolean | Kind::Timestamp => false,
        _ => shape.is_enum() || has_limits(shape),
    }
}

/// Whether a rule constant is needed for this shape.
pub(super) fn has_limits(shape: &Shape) -> bool {
    let from_zero = shape.min.as_ref().and_then(serde_json::Number::as_i64) == Some(0);
    let sized = matches!(shape.kind, Kind::String | Kind::Blob | Kind::List | Kind::Map);
    !shape.is_enum()
        && (shape.pattern.is_some() || shape.max.is_some() || (shape.min.is_some() && !(sized && from_zero)))
}

/// A member with its name and, if it is required, its number among the required ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) member: &'a Member,
    pub(super) required: Option<usize>,
}

impl Field<'_> {
    /// The name on the wire.
    pub(super) fn wire_name(&self) -> &str {
        self.member.location_name.as_deref().unwrap_or(self.name)
    }
}

/// The fields of a structure in model order. Event streams are not fields: they follow the response.
pub(super) fn fields<'a>(model: &Model, shape: &'a Shape) -> Result<Vec<Field<'a>>> {
    let mut fields = Vec::new();
    for (name, member) in shape.members.iter() {
        if model.shape(&member.shape).with_context(|| format!("member {name}"))?.eventstream {
            continue;
        }
        let required = shape.required.iter().position(|required| required == name);
        fields.push(Field { name, member, required });
    }
    Ok(fields)
}

/// The fields that travel in the body as members.
pub(super) fn body_fields<'a>(fields: &[Field<'a>], shape: &Shape) -> Vec<Field<'a>> {
    let in_body =
        |field: &&Field<'_>| field.member.location.is_none() && shape.payload.as_deref() != Some(field.name);
    fields.iter().filter(in_body).copied().collect()
}

/// The fields bound to one place outside the body.
pub(super) fn bound<'a>(fields: &[Field<'a>], location: Location) -> Vec<Field<'a>> {
    fields.iter().filter(|field| field.member.location == Some(location)).copied().collect()
}
