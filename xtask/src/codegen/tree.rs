//! Generated files on their way to the source tree.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Lines of a body, closing brace included, from which clippy calls a function too long.
const LONG_FUNCTION: usize = 71;

/// File contents by path below `generated/`.
pub(super) type Files = BTreeMap<String, String>;

/// The same files, formatted by `rustfmt` with the repository's configuration.
pub(super) fn format(root: &Path, service: &str, files: &Files) -> Result<Files> {
    let scratch = root.join("target/codegen").join(format!("{service}-{}", std::process::id()));
    for (name, text) in files {
        let path = scratch.join(name);
        fs::create_dir_all(path.parent().context("a generated file has a directory")?)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let output = Command::new("rustfmt")
        .arg("--config-path")
        .arg(root.join("rustfmt.toml"))
        .args(["--edition", "2024"])
        .arg(scratch.join("mod.rs"))
        .output()
        .context("cannot run rustfmt")?;
    if !output.status.success() {
        bail!("rustfmt refused {}: {}", scratch.display(), String::from_utf8_lossy(&output.stderr));
    }
    let mut formatted = Files::new();
    for name in files.keys() {
        let text = fs::read_to_string(scratch.join(name))?;
        formatted.insert(name.clone(), text);
    }
    fs::remove_dir_all(&scratch)?;
    expect_long_functions(&mut formatted);
    Ok(formatted)
}

/// Tells the lints, in the root module, whether some function is longer than the house allows by hand.
fn expect_long_functions(files: &mut Files) {
    let long = files.values().any(|text| longest_function(text) > LONG_FUNCTION);
    if let Some(root) = files.get_mut("mod.rs").filter(|_| long) {
        let attribute =
            "#![expect(clippy::too_many_lines, reason = \"one line or more per member of the model\")]\n";
        let at = root.find("\nmod ").or_else(|| root.find("\npub mod ")).unwrap_or(0);
        root.insert_str(at, &format!("\n{attribute}"));
    }
}

fn longest_function(text: &str) -> usize {
    let (mut longest, mut current) = (0, 0_usize);
    for line in text.lines() {
        let starts =
            line.starts_with("    ") && (line.starts_with("    fn ") || line.starts_with("    pub "));
        current = if starts { 0 } else { current + 1 };
        if line == "    }" {
            longest = longest.max(current);
        }
    }
    longest
}

/// What differs between `target` and `files`, one line a file.
pub(super) fn differences(target: &Path, files: &Files) -> Result<Vec<String>> {
    let mut present = Files::new();
    read_tree(target, "", &mut present)?;
    let mut differences = Vec::new();
    for (name, text) in files {
        match present.remove(name) {
            None => differences.push(format!("{}: missing", target.join(name).display())),
            Some(old) if old != *text => {
                differences.push(format!("{}: differs", target.join(name).display()));
            }
            Some(_) => {}
        }
    }
    differences.extend(present.keys().map(|name| format!("{}: not generated", target.join(name).display())));
    Ok(differences)
}

/// Makes `target` hold exactly `files`. Files that are right already are left alone, so that nothing is rebuilt.
pub(super) fn replace(target: &Path, files: &Files) -> Result<()> {
    let mut present = Files::new();
    read_tree(target, "", &mut present)?;
    for (name, text) in files {
        if present.remove(name).as_ref() != Some(text) {
            let path = target.join(name);
            fs::create_dir_all(path.parent().context("a generated file has a directory")?)?;
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    for name in present.keys() {
        fs::remove_file(target.join(name))?;
    }
    Ok(())
}

fn read_tree(dir: &Path, prefix: &str, files: &mut Files) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_tree(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}
