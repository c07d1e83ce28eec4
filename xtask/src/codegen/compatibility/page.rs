//! `docs/compatibility.md`.

use super::judge::{Built, Operation, Parameter};
use super::rules::Status;
use std::collections::BTreeSet;
use std::fmt::Write;

const HEAD: &str = "\
# Compatibility

Every operation of the APIs (as botocore 1.44.5 has them) and every parameter, with what becomes of it here. Written by
`cargo xtask compatibility` from the service models, the operations' sources, the tests and `models/compatibility.toml`; do not
edit. `cargo xtask tidy` says when it is stale, and the services' tests hold it against what they answer.

- What stands under *supported* does what AWS's documentation says of it.
- *partly*: some values are refused, with an error that says so.
- *refused*: asking for it is an error that says so. A value that asks for nothing (an empty list, the default) is taken.
- *no effect*: it is taken, and nothing comes of it, for the reason given.
- *tests*: the kinds of tests that name the operation: golden ones beside the service (Kinesis' in JSON and CBOR over
  HTTP/1.1 and HTTP/2, Lambda's name paths), and official SDKs against the real process.

An operation that is not supported answers `UnknownOperationException`, whatever its parameters.
";

pub(super) fn write(services: &[(&str, Vec<Operation>)]) -> String {
    let mut page = HEAD.to_owned();
    for (service, operations) in services {
        let built: Vec<_> = operations.iter().filter_map(|of| Some((&of.name, of.built.as_ref()?))).collect();
        let title = match *service {
            "kinesis" => "Kinesis Data Streams",
            "lambda" => "Lambda",
            "logs" => "CloudWatch Logs",
            other => other,
        };
        let (count, all) = (built.len(), operations.len());
        // Of this one, only what is built is among the models.
        let how_many = if *service == "logs" {
            format!("{count} operations: those that functions' logs are written, kept and read with")
        } else {
            format!("{count} of {all} operations")
        };
        add(&mut page, &format!("\n## {title}\n\n{how_many}.\n"));
        for note in everywhere(operations) {
            add(&mut page, &format!("\n{note}.\n"));
        }
        add(&mut page, "\n| operation | supported | otherwise | tests |\n|---|---|---|---|\n");
        for (name, built) in built {
            let row = format!(
                "| `{name}` | {} | {} | {} |\n",
                supported(built),
                otherwise(built),
                built.tests.join(", ")
            );
            add(&mut page, &row);
        }
        let missing = operations.iter().filter(|of| of.built.is_none());
        let missing: Vec<String> =
            missing.map(|of| format!("| `{}` | `UnknownOperationException` |\n", of.name)).collect();
        if !missing.is_empty() {
            add(&mut page, &format!("\n| operation | |\n|---|---|\n{}", missing.concat()));
        }
    }
    page
}

fn add(page: &mut String, text: &str) {
    page.write_str(text).expect("writing to memory cannot fail");
}

fn supported(built: &Built) -> String {
    let whole = |of: &&Parameter| of.status == Status::Supported;
    let names: Vec<&str> = built.parameters.iter().filter(whole).map(|of| of.path.as_str()).collect();
    match (names.is_empty(), built.parameters.is_empty()) {
        (true, true) => "(no parameters)".to_owned(),
        _ => names.join(", "),
    }
}

/// What is said of parameters wherever they are.
fn everywhere(operations: &[Operation]) -> BTreeSet<String> {
    let parameters = operations.iter().filter_map(|of| of.built.as_ref()).flat_map(|built| &built.parameters);
    let note = |of: &Parameter| {
        let why = of.why.as_deref().unwrap_or_default();
        format!("`{}`, wherever it is: *{}* ({})", of.path, words(of.status), why.trim())
    };
    parameters.filter(|of| of.everywhere).map(note).collect()
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Supported => "supported",
        Status::Partly => "partly",
        Status::Refused => "refused",
        Status::WithoutEffect => "no effect",
    }
}

/// What is not supported as it is, those with the same reason together.
fn otherwise(built: &Built) -> String {
    let mut groups: Vec<(Status, &str, Vec<&str>)> = Vec::new();
    for of in built.parameters.iter().filter(|of| of.status != Status::Supported && !of.everywhere) {
        let why = of.why.as_deref().unwrap_or_default();
        match groups.iter_mut().find(|group| (group.0, group.1) == (of.status, why)) {
            Some(group) => group.2.push(&of.path),
            None => groups.push((of.status, why, vec![&of.path])),
        }
    }
    let text = |(status, why, names): &(Status, &str, Vec<&str>)| {
        format!("*{}*: {} ({})", words(*status), names.join(", "), why.trim().replace('|', "\\|"))
    };
    groups.iter().map(text).collect::<Vec<_>>().join("; ")
}
