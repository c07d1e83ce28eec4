//! Operation markers, the enum of operations, and the module tree.

use super::super::model::Operation;
use super::super::names;
use super::super::plan::Home;
use super::Context;
use anyhow::Result;
use std::fmt::Write as _;

/// The marker type of one operation.
pub(super) fn marker(cx: &Context<'_>, name: &str, operation: &Operation) -> Result<String> {
    let rust = names::type_name(name);
    let side = |reference: &Option<super::super::model::Reference>| {
        reference.as_ref().map_or_else(|| "Empty".to_owned(), |r| names::type_name(&r.shape))
    };
    let mut out = format!(
        "#[derive(Clone, Copy, Debug)]\npub struct {rust};\n\n\
         impl ApiOperation for {rust} {{\n\
         type Id = Operation;\ntype Input = {};\ntype Output = {};\n\n\
         const OPERATION: Operation = Operation::{rust};\nconst HAS_OUTPUT: bool = {};\n}}\n\n",
        side(&operation.input),
        side(&operation.output),
        operation.output.is_some(),
    );
    if cx.is_rest() {
        let status = operation.http.response_code.unwrap_or(200);
        write!(out, "impl RestOperation for {rust} {{\nconst SUCCESS: u16 = {status};\n}}\n\n")?;
    }
    Ok(out)
}

pub(super) fn operation_enum(cx: &Context<'_>) -> Result<String> {
    let mut all: Vec<&str> = cx.model.operations.iter().map(|(name, _)| name).collect();
    all.sort_unstable();
    let count = all.len();
    let mut out = String::new();
    if let Some(prefix) = &cx.model.metadata.target_prefix {
        write!(
            out,
            "/// What stands before the operation's name in `X-Amz-Target`, followed by a dot.\n\
             pub const TARGET_PREFIX: &str = {prefix:?};\n\n"
        )?;
    }
    out.push_str(
        "/// Every operation of the service.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\npub enum Operation {\n",
    );
    let lines = |out: &mut String, line: &dyn Fn(&str) -> String| {
        for name in &all {
            out.push_str(&line(name));
        }
    };
    lines(&mut out, &|name| format!("{},\n", names::type_name(name)));
    write!(
        out,
        "}}\n\n/// Names in the order of the enum, which is alphabetical.\nconst NAMES: [&str; {count}] = [\n"
    )?;
    lines(&mut out, &|name| format!("{name:?},\n"));
    out.push_str("];\n\nimpl Operation {\n");
    writeln!(out, "pub const ALL: [Self; {count}] = [")?;
    lines(&mut out, &|name| format!("Self::{},\n", names::type_name(name)));
    out.push_str(
        "];\n\npub const fn name(self) -> &'static str {\nNAMES[self as usize]\n}\n\n\
         pub fn from_name(name: &str) -> Option<Self> {\n\
         NAMES.binary_search(&name).ok().and_then(|index| Self::ALL.get(index)).copied()\n}\n}\n",
    );
    Ok(out)
}

/// `generated/mod.rs`: everything at one level.
pub(super) fn root_module(cx: &Context<'_>, modules: &[String]) -> String {
    let mut out = format!("//! The {} API as its model has it.\n\n", cx.service);
    for module in modules {
        let test = if module == "patterns" { "#[cfg(test)]\npub(crate) " } else { "" };
        writeln!(out, "{test}mod {module};").unwrap_or_default();
    }
    out.push('\n');
    let exported = modules.iter().filter(|m| !m.starts_with("rules") && *m != "patterns");
    for module in exported {
        writeln!(out, "pub use {module}::*;").unwrap_or_default();
    }
    out
}

/// `generated/shapes/mod.rs`: what several operations share.
pub(super) fn shapes_module(cx: &Context<'_>) -> String {
    let mut out = "//! Shapes that several operations use.\n\n".to_owned();
    let shared: Vec<String> = super::homes(cx, &Home::Shared).map(names::snake).collect();
    for module in &shared {
        writeln!(out, "mod {module};").unwrap_or_default();
    }
    out.push('\n');
    for module in &shared {
        writeln!(out, "pub use {module}::*;").unwrap_or_default();
    }
    out
}
