//! Constants for the constraints of leaf shapes, in the file that uses them or, if several do, in `rules.rs`.

use super::super::model::{Kind, Shape};
use super::super::{names, pattern, plan};
use super::Context;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Lines of shared rules per file, roughly: the house likes files under 500 lines.
const RULES_PER_FILE: usize = 60;

/// Appends each rule to the one body that names it; answers the files of those that several name, and imports them.
pub(super) fn place(
    cx: &Context<'_>,
    bodies: &mut BTreeMap<String, String>,
) -> Result<Vec<(String, String)>> {
    let mut shared = Vec::new();
    for (name, shape) in cx.model.shapes.iter().filter(|(_, shape)| plan::has_limits(shape)) {
        let constant = names::screaming(name);
        let named = format!("&{constant})");
        let users: Vec<String> =
            bodies.iter().filter(|(_, body)| body.contains(&named)).map(|(path, _)| path.clone()).collect();
        let text = rule(cx, name, shape).with_context(|| format!("the rule of {name}"))?;
        if let [only] = users.as_slice() {
            writeln!(bodies.entry(only.clone()).or_default(), "static {constant}: {text}\n")?;
        } else if !users.is_empty() {
            shared.push((constant, text, users));
        }
    }
    let mut files = Vec::new();
    let split = shared.len() > RULES_PER_FILE;
    for (number, chunk) in shared.chunks(RULES_PER_FILE).enumerate() {
        let module = if split { format!("rules_{}", number + 1) } else { "rules".to_owned() };
        let mut body = String::new();
        let mut imports: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (constant, text, users) in chunk {
            writeln!(body, "pub(super) static {constant}: {text}\n")?;
            for user in users {
                imports.entry(user).or_default().push(constant);
            }
        }
        for (user, constants) in imports {
            let levels = if user.contains('/') { "super::super" } else { "super" };
            let import = format!("use {levels}::{module}::{{{}}};\n", constants.join(", "));
            bodies.entry(user.to_owned()).and_modify(|body| {
                let gap = if body.starts_with("use ") { "" } else { "\n" };
                body.insert_str(0, &format!("{import}{gap}"));
            });
        }
        files.push((format!("{module}.rs"), body));
    }
    files.push(("patterns.rs".to_owned(), patterns(cx)?));
    Ok(files)
}

/// Every expression left to the `regex` crate, for the test that compiles them all.
fn patterns(cx: &Context<'_>) -> Result<String> {
    let mut out = "/// Shapes and the expressions that the `regex` crate checks for them.\n\
        pub(crate) const EXPRESSIONS: &[(&str, &str)] = &[\n"
        .to_owned();
    for (name, shape) in cx.model.shapes.iter() {
        let Some(text) = shape.pattern.as_deref() else { continue };
        if let Some(source) = expression(cx, name, text) {
            writeln!(out, "({name:?}, {source:?}),")?;
        }
    }
    out.push_str("];\n");
    Ok(out)
}

/// What the `regex` crate has to compile for a pattern; nothing for a plain character class.
fn expression(cx: &Context<'_>, name: &str, text: &str) -> Option<String> {
    let rewritten =
        cx.overlay.pattern.iter().find(|entry| entry.shape == name).map(|entry| entry.regex.as_str());
    (rewritten.is_some() || pattern::class(text).is_none())
        .then(|| pattern::for_regex_crate(rewritten.unwrap_or(text)))
}

fn rule(cx: &Context<'_>, name: &str, shape: &Shape) -> Result<String> {
    let (min, max) = (bound(shape, shape.min.as_ref())?, bound(shape, shape.max.as_ref())?);
    Ok(match shape.kind {
        Kind::String => {
            let pattern = shape.pattern.as_deref().map_or_else(
                || "None".to_owned(),
                |text| format!("Some({})", pattern_constant(cx, name, text)),
            );
            format!("StringRule = StringRule {{ min: {min}, max: {max}, pattern: {pattern} }};")
        }
        Kind::Integer | Kind::Long => format!("NumberRule = NumberRule {{ min: {min}, max: {max} }};"),
        Kind::Double => format!("RealRule = RealRule {{ min: {min}, max: {max} }};"),
        _ => format!("LengthRule = LengthRule {{ min: {min}, max: {max} }};"),
    })
}

fn bound(shape: &Shape, number: Option<&serde_json::Number>) -> Result<String> {
    let Some(number) = number else { return Ok("None".to_owned()) };
    let text = if shape.kind == Kind::Double {
        format!("{:?}", number.as_f64().context("a bound that is no number")?)
    } else {
        let value = number.as_f64().context("a bound that is no number")?;
        anyhow::ensure!(value.fract() == 0.0, "a fractional bound of an integer");
        group(&format!("{value:.0}"))
    };
    Ok(format!("Some({text})"))
}

/// `10485760` as `10_485_760`.
fn group(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push('_');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

fn pattern_constant(cx: &Context<'_>, name: &str, text: &str) -> String {
    match (expression(cx, name, text), pattern::class(text)) {
        (Some(source), _) => format!("Pattern::regex({text:?}, {source:?})"),
        (None, Some((bits, may_be_empty))) => {
            let digits = format!("{bits:032x}");
            let groups: Vec<&str> = (0..8).filter_map(|group| digits.get(group * 4..group * 4 + 4)).collect();
            format!("Pattern::class({text:?}, 0x{}, {may_be_empty})", groups.join("_"))
        }
        (None, None) => unreachable!("a pattern is an expression or a class"),
    }
}
