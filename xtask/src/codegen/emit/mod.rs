//! Rust text from a plan.

mod errors;
mod file;
mod operations;
mod rest;
mod rules;
mod types;
mod validation;

use super::model::Model;
use super::names;
use super::overlay::Overlay;
use super::plan::{Home, Plan};
use super::tree::Files;
use anyhow::{Result, ensure};
use file::File;
use std::collections::{BTreeMap, BTreeSet};

/// What every emitter needs to know.
pub(super) struct Context<'a> {
    pub(super) service: &'static str,
    pub(super) model: &'a Model,
    pub(super) overlay: &'a Overlay,
    pub(super) plan: &'a Plan,
}

impl Context<'_> {
    pub(super) fn is_rest(&self) -> bool {
        self.model.metadata.protocol == "rest-json"
    }
}

/// All files of one service.
pub(super) fn service(service: &'static str, model: &Model, overlay: &Overlay, plan: &Plan) -> Result<Files> {
    let cx = Context { service, model, overlay, plan };
    check_names(&cx)?;
    let mut bodies = bodies(&cx)?;
    let shared_rules = rules::place(&cx, &mut bodies)?;
    let mut files = Files::new();
    let shared_types: BTreeSet<String> = homes(&cx, &Home::Shared).map(names::type_name).collect();
    for (path, body) in bodies {
        files.insert(path.clone(), File { cx: &cx, path: &path, shared_types: &shared_types }.finish(&body));
    }
    for (path, body) in shared_rules {
        files.insert(path.clone(), File { cx: &cx, path: &path, shared_types: &shared_types }.finish(&body));
    }
    for (path, body) in [
        ("operation.rs", operations::operation_enum(&cx)?),
        ("error.rs", errors::error_codes(&cx)?),
        ("shapes/mod.rs", operations::shapes_module(&cx)),
    ] {
        files.insert(path.to_owned(), File { cx: &cx, path, shared_types: &BTreeSet::new() }.finish(&body));
    }
    if cx.is_rest() {
        let file = File { cx: &cx, path: "routes.rs", shared_types: &BTreeSet::new() };
        files.insert("routes.rs".to_owned(), file.finish(&rest::routes(&cx)?));
    }
    let mut modules: Vec<String> =
        files.keys().filter_map(|path| path.strip_suffix(".rs")).map(str::to_owned).collect();
    modules.retain(|module| !module.contains('/'));
    modules.push("shapes".to_owned());
    modules.sort();
    let file = File { cx: &cx, path: "mod.rs", shared_types: &BTreeSet::new() };
    files.insert("mod.rs".to_owned(), file.finish(&operations::root_module(&cx, &modules)));
    Ok(files)
}

/// The files of operations and of shared shapes, without their headers.
fn bodies(cx: &Context<'_>) -> Result<BTreeMap<String, String>> {
    let mut bodies = BTreeMap::new();
    for (name, operation) in cx.model.operations.iter() {
        let mut body = operations::marker(cx, name, operation)?;
        for shape in homes(cx, &Home::Operation(name.to_owned())) {
            body.push_str(&types::shape(cx, shape)?);
        }
        bodies.insert(format!("{}.rs", names::snake(name)), body);
    }
    for shape in homes(cx, &Home::Shared) {
        bodies.insert(format!("shapes/{}.rs", names::snake(shape)), types::shape(cx, shape)?);
    }
    Ok(bodies)
}

/// The shapes that live in `home`, inputs and outputs of operations first, in model order otherwise.
fn homes<'a>(cx: &'a Context<'_>, home: &'a Home) -> impl Iterator<Item = &'a str> {
    let mut shapes: Vec<&str> = cx
        .model
        .shapes
        .iter()
        .map(|(name, _)| name)
        .filter(|name| cx.plan.homes.get(*name) == Some(home))
        .collect();
    if let Home::Operation(name) = home {
        let operation = cx.model.operations.get(name);
        let rank = |shape: &str| {
            let is =
                |reference: Option<&super::model::Reference>| reference.is_some_and(|r| r.shape == shape);
            match operation {
                Some(operation) if is(operation.input.as_ref()) => 0,
                Some(operation) if is(operation.output.as_ref()) => 1,
                _ => 2,
            }
        };
        shapes.sort_by_key(|shape| rank(shape));
    }
    shapes.into_iter()
}

/// Types, operation markers and the names generated code imports must not collide.
fn check_names(cx: &Context<'_>) -> Result<()> {
    let mut seen: BTreeSet<String> = file::IMPORTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    seen.extend(
        ["Operation", "ErrorCode", "Error", "Option", "String", "Vec", "Box", "Result"].map(str::to_owned),
    );
    let operations = cx.model.operations.iter().map(|(name, _)| name);
    for name in operations.chain(cx.plan.homes.keys().map(String::as_str)) {
        ensure!(seen.insert(names::type_name(name)), "{name} collides: rename it in the overlay");
    }
    Ok(())
}
