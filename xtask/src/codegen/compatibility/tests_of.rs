//! Which tests call an operation: by its name in their text, as each kind of client writes it.

use super::judge::has_word;
use crate::codegen::names;
use anyhow::{Context, Result};
use std::path::Path;

/// The texts of each kind of tests.
#[derive(Debug)]
pub(super) struct Tests(Vec<(Kind, String)>);

#[derive(Debug)]
struct Kind {
    name: &'static str,
    directory: &'static str,
    /// The operation's name as it is written there.
    written: fn(&str) -> String,
}

const KINDS: [Kind; 7] = [
    Kind { name: "golden", directory: "crates/SERVICE/tests", written: |name| format!("\"{name}\"") },
    Kind { name: "boto3", directory: "conformance/python", written: names::snake },
    Kind { name: "Rust", directory: "conformance/rust", written: names::snake },
    Kind { name: "JS", directory: "conformance/node", written: |name| format!("{name}Command") },
    Kind { name: "Java", directory: "conformance/java/src", written: camel },
    Kind { name: "Go", directory: "conformance/go", written: str::to_owned },
    Kind { name: "AWS CLI", directory: "conformance/aws-cli", written: kebab },
];

fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase().to_string() + chars.as_str()).unwrap_or_default()
}

fn kebab(name: &str) -> String {
    format!("\"{}\"", names::snake(name).replace('_', "-"))
}

impl Tests {
    pub(super) fn read(root: &Path, service: &str) -> Result<Self> {
        let mut all = Vec::new();
        for kind in KINDS {
            let mut text = String::new();
            gather(&root.join(kind.directory.replace("SERVICE", service)), &mut text)?;
            all.push((kind, text));
        }
        Ok(Self(all))
    }

    pub(super) fn of(&self, operation: &str) -> Vec<&'static str> {
        let calls = |(kind, text): &&(Kind, String)| {
            let written = (kind.written)(operation);
            if written.starts_with('"') { text.contains(&written) } else { has_word(text, &written) }
        };
        self.0.iter().filter(calls).map(|(kind, _)| kind.name).collect()
    }
}

/// Append the sources below a directory; what clients bring with them is not ours.
pub(super) fn gather(directory: &Path, text: &mut String) -> Result<()> {
    let read = |path: &Path| format!("reading {}", path.display());
    for entry in std::fs::read_dir(directory).with_context(|| read(directory))? {
        let path = entry.with_context(|| read(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !["node_modules", "target", "__pycache__"].contains(&name) {
                gather(&path, text)?;
            }
        } else if ["rs", "py", "mjs", "java", "go"]
            .iter()
            .any(|kind| path.extension().is_some_and(|is| is == *kind))
        {
            text.push_str(&std::fs::read_to_string(&path).with_context(|| read(&path))?);
            text.push('\n');
        }
    }
    Ok(())
}
