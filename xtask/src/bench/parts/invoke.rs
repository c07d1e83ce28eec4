//! From a put to a function's first line. Measured by a script, which has its own client and its own worker.

use std::process::Command;

use anyhow::Context as _;
use serde_json::json;

use crate::bench::context::Bench;
use crate::bench::report::Section;
use crate::os;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let root = os::root();
    let records = bench.or_quick(200, 30);
    let mut measure = Command::new("python3");
    measure
        .arg(root.join("conformance/bench/put_to_invoke.py"))
        .args(["--records", &records.to_string()])
        .env("PYTHONPATH", root.join("conformance/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MILLSTREAM_BIN", &bench.server)
        .current_dir(&root);
    let text = os::output(&mut measure)?;
    let text = text.trim();
    let rest = text.strip_prefix("## ").context("the script prints a section")?;
    let (title, body) = rest.split_once('\n').context("the script prints a section")?;
    let mut section = Section::new(title);
    section.text.push(body.trim().to_owned());
    section.raw = json!(text);
    Ok(section)
}
