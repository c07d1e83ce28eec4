//! The error codes of a service: those of its model and those of the framework in front of it.

use super::super::names;
use super::Context;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;

struct Facts {
    status: u16,
    message_member: &'static str,
    fault: bool,
    modelled: bool,
}

pub(super) fn error_codes(cx: &Context<'_>) -> Result<String> {
    let mut codes: BTreeMap<String, Facts> = BTreeMap::new();
    for (name, shape) in cx.model.shapes.iter().filter(|(_, shape)| shape.exception) {
        let error = shape.error.as_ref();
        let status = error.map_or(if shape.fault { 500 } else { 400 }, |error| error.http_status_code);
        let capital = shape.members.get("Message").is_some();
        let code = error.and_then(|error| error.code.clone()).unwrap_or_else(|| name.to_owned());
        let message_member = if capital { "Message" } else { "message" };
        codes.insert(code, Facts { status, message_member, fault: shape.fault, modelled: true });
    }
    for entry in &cx.overlay.error {
        let facts =
            Facts { status: entry.status, message_member: "message", fault: entry.fault, modelled: false };
        ensure!(
            codes.insert(entry.name.clone(), facts).is_none(),
            "[[error]] {}: the model has it already",
            entry.name
        );
    }
    let mut out = "/// Every error name this service answers with.\n\
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\npub enum ErrorCode {\n"
        .to_owned();
    for name in codes.keys() {
        writeln!(out, "{},", names::type_name(name))?;
    }
    let count = codes.len();
    writeln!(out, "}}\n\n#[derive(Debug)]\nstruct Facts {{\nname: &'static str,\nstatus: u16,")?;
    writeln!(out, "message_member: &'static str,\nfault: bool,\nmodelled: bool,\n}}\n")?;
    writeln!(
        out,
        "const fn facts(\nname: &'static str,\nstatus: u16,\nmessage_member: &'static str,\nfault: bool,\n\
         modelled: bool,\n) -> Facts {{\nFacts {{ name, status, message_member, fault, modelled }}\n}}\n"
    )?;
    writeln!(out, "/// In the order of the enum.\nconst FACTS: [Facts; {count}] = [")?;
    for (name, facts) in &codes {
        let Facts { status, message_member, fault, modelled } = facts;
        writeln!(out, "facts({name:?}, {status}, {message_member:?}, {fault}, {modelled}),")?;
    }
    writeln!(out, "];\n\nimpl ErrorName for ErrorCode {{")?;
    let framework = &cx.overlay.framework;
    for (constant, name) in [
        ("SERIALIZATION", &framework.serialization),
        ("VALIDATION", &framework.validation),
        ("UNKNOWN_OPERATION", &framework.unknown_operation),
        ("INTERNAL", &framework.internal),
    ] {
        ensure!(codes.contains_key(name), "[framework] there is no error {name}");
        writeln!(out, "const {constant}: Self = Self::{};", names::type_name(name))?;
    }
    for (method, ty) in [
        ("name", "&'static str"),
        ("status", "u16"),
        ("message_member", "&'static str"),
        ("fault", "bool"),
        ("modelled", "bool"),
    ] {
        writeln!(out, "\nfn {method}(self) -> {ty} {{\nFACTS[self as usize].{method}\n}}")?;
    }
    writeln!(out, "}}")?;
    Ok(out)
}
