//! `Validate`: what each member of a structure must satisfy.

use super::super::model::{Kind, Shape};
use super::super::names;
use super::super::plan::{self, Field, Plan};
use super::Context;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;

pub(super) fn validate(cx: &Context<'_>, name: &str, shape: &Shape) -> Result<String> {
    if !cx.plan.is_root_input(name) && !Plan::has_rules(cx.model, name) {
        return Ok(String::new());
    }
    let mut body = String::new();
    for field in plan::fields(cx.model, shape)? {
        body.push_str(&member(cx, &field)?);
    }
    let rust = names::type_name(name);
    let unused = if body.is_empty() { "_" } else { "" };
    Ok(format!(
        "impl Validate for {rust} {{\n\
         fn validate(&self, {unused}at: &mut Path, {unused}found: &mut Violations) {{\n{body}}}\n}}\n\n"
    ))
}

fn member(cx: &Context<'_>, field: &Field<'_>) -> Result<String> {
    let rust = names::field(field.name);
    let rules = |value: &str| value_rules(cx, &field.member.shape, value);
    let (push, pop) = (format!("at.push_member({:?});\n", field.name), "at.pop();\n");
    let Some(number) = field.required else {
        let rules = rules("value")?;
        return Ok(match rules.as_str() {
            "" => String::new(),
            _ => format!("if let Some(value) = &self.{rust} {{\n{push}{rules}{pop}}}\n"),
        });
    };
    let rules = rules(&format!("(&self.{rust})"))?;
    Ok(match rules.as_str() {
        "" => format!("if self.absent.contains({number}) {{\n{push}found.absent(at);\n{pop}}}\n"),
        _ => format!(
            "{push}if self.absent.contains({number}) {{\nfound.absent(at);\n}} else {{\n{rules}}}\n{pop}"
        ),
    })
}

/// Statements that check `value`, a reference to a value of the shape `name`, at the current place.
fn value_rules(cx: &Context<'_>, name: &str, value: &str) -> Result<String> {
    let shape = cx.model.shape(name)?;
    let rule = plan::has_limits(shape).then(|| format!("&{}", names::screaming(name)));
    // `(&self.x)` reads better as `&self.x` in an argument and as `self.x` before a dot.
    let argument = value.strip_prefix('(').and_then(|v| v.strip_suffix(')')).unwrap_or(value);
    let place = argument.strip_prefix('&').unwrap_or(argument);
    let deref = argument.strip_prefix('&').map_or_else(|| format!("*{argument}"), str::to_owned);
    let mut out = String::new();
    match shape.kind {
        Kind::Structure if Plan::has_rules(cx.model, name) => writeln!(out, "{place}.validate(at, found);")?,
        Kind::String if shape.is_enum() => {
            writeln!(out, "found.enumeration(at, {place}.as_str(), {}::VALUES);", names::type_name(name))?;
        }
        Kind::String => call(&mut out, "string", argument, rule.as_deref())?,
        Kind::Blob => call(&mut out, "blob", argument, rule.as_deref())?,
        Kind::Integer | Kind::Long => call(&mut out, "number", &deref, rule.as_deref())?,
        Kind::Double => call(&mut out, "real", &deref, rule.as_deref())?,
        Kind::List => {
            let item = &shape.member.as_ref().context("a list of nothing")?.shape;
            let texts = cx.model.shape(item)?.kind == Kind::String;
            call(&mut out, if texts { "strings" } else { "list" }, argument, rule.as_deref())?;
            out.push_str(&item_rules(cx, item, argument, place)?);
        }
        Kind::Map => {
            call(&mut out, "map", argument, rule.as_deref())?;
            let key = &shape.key.as_ref().context("a map without keys")?.shape;
            let key_shape = cx.model.shape(key)?;
            if plan::has_limits(key_shape) {
                call(&mut out, "each_key", argument, Some(&format!("&{}", names::screaming(key))))?;
            }
            let item = &shape.value.as_ref().context("a map of nothing")?.shape;
            out.push_str(&entry_rules(cx, item, argument, place)?);
        }
        Kind::Structure | Kind::Boolean | Kind::Timestamp => {}
    }
    Ok(out)
}

fn call(out: &mut String, method: &str, argument: &str, rule: Option<&str>) -> Result<()> {
    if let Some(rule) = rule {
        writeln!(out, "found.{method}(at, {argument}, {rule});")?;
    }
    Ok(())
}

/// The rule constant that items of a shape are held to, if they are leaves with a rule.
fn leaf_rule(cx: &Context<'_>, item: &str) -> Result<Option<String>> {
    let shape = cx.model.shape(item)?;
    Ok(if shape.is_enum() {
        Some(format!("&EnumRule {{ values: {}::VALUES }}", names::type_name(item)))
    } else if plan::has_limits(shape) {
        Some(format!("&{}", names::screaming(item)))
    } else {
        None
    })
}

fn item_rules(cx: &Context<'_>, item: &str, argument: &str, place: &str) -> Result<String> {
    let mut out = String::new();
    match cx.model.shape(item)?.kind {
        Kind::String => call(&mut out, "each_string", argument, leaf_rule(cx, item)?.as_deref())?,
        Kind::Integer | Kind::Long | Kind::Double => {
            call(&mut out, "each_number", argument, leaf_rule(cx, item)?.as_deref())?;
        }
        Kind::Structure if Plan::has_rules(cx.model, item) => writeln!(out, "found.each(at, {argument});")?,
        _ => {
            let rules = value_rules(cx, item, "item")?;
            if !rules.is_empty() {
                writeln!(
                    out,
                    "for (index, item) in {place}.iter().enumerate() {{\nat.push_item(index);\n{rules}at.pop();\n}}"
                )?;
            }
        }
    }
    Ok(out)
}

fn entry_rules(cx: &Context<'_>, item: &str, argument: &str, place: &str) -> Result<String> {
    let mut out = String::new();
    match cx.model.shape(item)?.kind {
        Kind::String | Kind::Integer | Kind::Long | Kind::Double => {
            call(&mut out, "each_value", argument, leaf_rule(cx, item)?.as_deref())?;
        }
        Kind::Structure if Plan::has_rules(cx.model, item) => {
            writeln!(out, "found.each_entry(at, {argument});")?;
        }
        _ => {
            let rules = value_rules(cx, item, "item")?;
            if !rules.is_empty() {
                writeln!(out, "for (key, item) in {argument} {{\nat.push_entry(key);\n{rules}at.pop();\n}}")?;
                // Without a borrow the loop would consume the map.
                debug_assert!(argument.starts_with('&') || place == "value");
            }
        }
    }
    Ok(out)
}
