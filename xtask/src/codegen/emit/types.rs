//! Structures and enums, and how they decode and encode.

use super::super::model::{Kind, Shape};
use super::super::names;
use super::super::plan::{self, Field};
use super::{Context, rest, validation};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Everything about one named shape.
pub(super) fn shape(cx: &Context<'_>, name: &str) -> Result<String> {
    let shape = cx.model.shape(name)?;
    if shape.is_enum() { enumeration(cx, name, shape) } else { structure(cx, name, shape) }
}

/// The Rust type of values of a shape.
pub(super) fn rust_type(cx: &Context<'_>, name: &str) -> Result<String> {
    let shape = cx.model.shape(name)?;
    let item = |reference: &Option<super::super::model::Reference>| match reference {
        Some(reference) => rust_type(cx, &reference.shape),
        None => anyhow::bail!("{name} does not say what it holds"),
    };
    Ok(match shape.kind {
        Kind::Structure if cx.plan.is_recursive(name) => format!("Box<{}>", names::type_name(name)),
        Kind::Structure => names::type_name(name),
        Kind::String if shape.is_enum() => names::type_name(name),
        Kind::String => "String".to_owned(),
        Kind::Integer => "i32".to_owned(),
        Kind::Long => "i64".to_owned(),
        Kind::Double => "f64".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::Blob => "Bytes".to_owned(),
        Kind::Timestamp => "Timestamp".to_owned(),
        Kind::List => format!("Vec<{}>", item(&shape.member)?),
        Kind::Map => format!("BTreeMap<String, {}>", item(&shape.value)?),
    })
}

fn structure(cx: &Context<'_>, name: &str, shape: &Shape) -> Result<String> {
    let fields = plan::fields(cx.model, shape)?;
    let rust = names::type_name(name);
    let mut out = String::new();
    let tracks = tracks_absence(cx, name, shape);
    let sensitive: Vec<bool> =
        fields.iter().map(|f| Ok(cx.model.shape(&f.member.shape)?.sensitive)).collect::<Result<_>>()?;
    let debug = if sensitive.contains(&true) { "" } else { "Debug, " };
    writeln!(out, "#[derive(Clone, {debug}Default, PartialEq)]\npub struct {rust} {{")?;
    for field in &fields {
        if let Some(rule) =
            cx.overlay.runtime_rule.iter().find(|rule| rule.shape == name && rule.member == field.name)
        {
            writeln!(out, "/// {}", rule.rule)?;
        }
        let ty = rust_type(cx, &field.member.shape)?;
        let ty = if field.required.is_some() { ty } else { format!("Option<{ty}>") };
        writeln!(out, "pub {}: {ty},", names::field(field.name))?;
    }
    if tracks {
        writeln!(out, "#[doc(hidden)]\npub absent: Absent,")?;
    }
    writeln!(out, "}}\n")?;
    if debug.is_empty() {
        out.push_str(&masked_debug(&rust, &fields, &sensitive)?);
    }
    if shape.event {
        writeln!(
            out,
            "impl {rust} {{\n/// The `:event-type` of this event in its stream.\npub const EVENT_TYPE: &str = {name:?};\n}}\n"
        )?;
    }
    if cx.plan.is_input(name) {
        out.push_str(&decode(
            &rust,
            &plan::body_fields(&fields, shape),
            tracks.then_some(shape.required.len()),
        )?);
        out.push_str(&validation::validate(cx, name, shape)?);
        if cx.is_rest() && cx.plan.is_root_input(name) {
            out.push_str(&rest::input(cx, name, shape)?);
        }
    }
    if cx.plan.is_output(name) {
        out.push_str(&encode(&rust, &plan::body_fields(&fields, shape))?);
        if cx.is_rest() && is_root_output(cx, name) {
            out.push_str(&rest::output(cx, name, shape)?);
        }
    }
    Ok(out)
}

fn is_root_output(cx: &Context<'_>, name: &str) -> bool {
    cx.model
        .operations
        .iter()
        .any(|(_, operation)| operation.output.as_ref().is_some_and(|o| o.shape == name))
}

/// Structures that requests fill remember which required members were missing.
pub(super) fn tracks_absence(cx: &Context<'_>, name: &str, shape: &Shape) -> bool {
    cx.plan.is_input(name) && !shape.required.is_empty()
}

/// `Debug` that does not show what the model calls sensitive.
fn masked_debug(rust: &str, fields: &[Field<'_>], sensitive: &[bool]) -> Result<String> {
    let mut out = format!("impl fmt::Debug for {rust} {{\n");
    writeln!(out, "fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{\nf.debug_struct({rust:?})")?;
    for (field, masked) in fields.iter().zip(sensitive) {
        let name = names::field(field.name);
        let shown = if *masked { "&\"(sensitive)\"".to_owned() } else { format!("&self.{name}") };
        writeln!(out, ".field({:?}, {shown})", names::snake(field.name))?;
    }
    writeln!(out, ".finish_non_exhaustive()\n}}\n}}\n")?;
    Ok(out)
}

/// `Decode` of the members in the body; `required` is the number of required members, if absence is tracked.
fn decode(rust: &str, fields: &[Field<'_>], required: Option<usize>) -> Result<String> {
    let mut out = format!("impl Decode for {rust} {{\n");
    writeln!(out, "fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {{")?;
    let wire: Vec<String> = fields.iter().map(|f| format!("{:?}", f.wire_name())).collect();
    if !fields.is_empty() {
        writeln!(out, "const MEMBERS: [&str; {}] = [{}];", wire.len(), wire.join(", "))?;
    }
    let start = required.map_or_else(
        || "Self::default()".to_owned(),
        |n| format!("Self {{ absent: Absent::all({n}), ..Self::default() }}"),
    );
    let mutable = if fields.is_empty() { "" } else { "mut " };
    writeln!(out, "let {mutable}out = {start};\nd.open_structure()?;")?;
    let statement = |field: &Field<'_>| {
        let name = names::field(field.name);
        let clear = field.required.map(|number| format!("out.absent.clear({number});")).unwrap_or_default();
        format!("{{ out.{name} = Decode::decode(d)?; {clear} }}")
    };
    match fields {
        [] => writeln!(out, "while d.next_member(&[])?.is_some() {{}}")?,
        [only] => writeln!(out, "while d.next_member(&MEMBERS)?.is_some() {}", statement(only))?,
        [first, second] => writeln!(
            out,
            "while let Some(member) = d.next_member(&MEMBERS)? {{\nif member == 0 {} else {}\n}}",
            statement(first),
            statement(second)
        )?,
        _ => {
            writeln!(out, "while let Some(member) = d.next_member(&MEMBERS)? {{\nmatch member {{")?;
            for (index, field) in fields.iter().enumerate() {
                let arm = if index + 1 == fields.len() { "_".to_owned() } else { index.to_string() };
                let plain = format!("out.{} = Decode::decode(d)?,", names::field(field.name));
                let statement = if field.required.is_some() { statement(field) } else { plain };
                writeln!(out, "{arm} => {statement}")?;
            }
            writeln!(out, "}}\n}}")?;
        }
    }
    writeln!(out, "Ok(out)\n}}\n}}\n")?;
    Ok(out)
}

fn encode(rust: &str, fields: &[Field<'_>]) -> Result<String> {
    let mut out = format!(
        "impl Encode for {rust} {{\nfn encode<E: Encoder>(&self, e: &mut E) {{\ne.open_structure();\n"
    );
    for field in fields {
        let (name, wire) = (names::field(field.name), field.wire_name());
        match field.required {
            Some(_) => writeln!(out, "e.member({wire:?}, &self.{name});")?,
            None => writeln!(out, "e.optional({wire:?}, self.{name}.as_ref());")?,
        }
    }
    writeln!(out, "e.close_structure();\n}}\n}}\n")?;
    Ok(out)
}

fn enumeration(cx: &Context<'_>, name: &str, shape: &Shape) -> Result<String> {
    let rust = names::type_name(name);
    let variants: Vec<(String, &str)> =
        shape.values.iter().map(|value| (names::variant(value), value.as_str())).collect();
    let distinct: BTreeSet<&String> = variants.iter().map(|(variant, _)| variant).collect();
    ensure!(distinct.len() == variants.len(), "{name} has values that become the same variant");
    ensure!(!distinct.contains(&"Unknown".to_owned()), "{name} has a value named Unknown");
    let mut out = format!("#[derive(Clone, Debug, PartialEq, Eq)]\npub enum {rust} {{\n");
    for (variant, _) in &variants {
        writeln!(out, "{variant},")?;
    }
    writeln!(out, "/// A value that the model does not name.\nUnknown(String),\n}}\n")?;
    let values: Vec<String> = shape.values.iter().map(|value| format!("{value:?}")).collect();
    writeln!(out, "impl {rust} {{")?;
    writeln!(out, "pub const VALUES: &[&str] = &[{}];", values.join(", "))?;
    writeln!(out, "\npub fn as_str(&self) -> &str {{\nmatch self {{")?;
    for (variant, value) in &variants {
        writeln!(out, "Self::{variant} => {value:?},")?;
    }
    writeln!(out, "Self::Unknown(value) => value,\n}}\n}}\n}}\n")?;
    writeln!(out, "impl From<&str> for {rust} {{\nfn from(value: &str) -> Self {{\nmatch value {{")?;
    for (variant, value) in &variants {
        writeln!(out, "{value:?} => Self::{variant},")?;
    }
    writeln!(out, "other => Self::Unknown(other.to_owned()),\n}}\n}}\n}}\n")?;
    out.push_str(&enum_traits(cx, name, &rust)?);
    Ok(out)
}

fn enum_traits(cx: &Context<'_>, name: &str, rust: &str) -> Result<String> {
    let mut out = format!(
        "impl Default for {rust} {{\nfn default() -> Self {{ Self::Unknown(String::new()) }}\n}}\n\n\
         impl AsRef<str> for {rust} {{\nfn as_ref(&self) -> &str {{ self.as_str() }}\n}}\n\n\
         impl fmt::Display for {rust} {{\nfn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{\n\
         f.write_str(self.as_str())\n}}\n}}\n\n"
    );
    if cx.plan.is_input(name) {
        write!(
            out,
            "impl Decode for {rust} {{\nfn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {{\n\
             d.string().map(|value| Self::from(value.as_str()))\n}}\n}}\n\n"
        )?;
        if cx.is_rest() {
            write!(
                out,
                "impl FromText for {rust} {{\nfn from_text(text: &str) -> Result<Self, DecodeError> {{\n\
                 Ok(Self::from(text))\n}}\n}}\n\n"
            )?;
        }
    }
    if cx.plan.is_output(name) {
        write!(
            out,
            "impl Encode for {rust} {{\nfn encode<E: Encoder>(&self, e: &mut E) {{\n\
             e.string(self.as_str());\n}}\n}}\n\n"
        )?;
    }
    Ok(out)
}
