//! Which Pythons this host has.

use super::{Interpreter, needs_of, program_answers, versions};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The Python versions that AWS offers, by minor number.
pub(super) const MINORS: std::ops::RangeInclusive<u8> = 9..=14;

/// Prints, a line each: version, program, the versions of awslambdaric and boto3 if they are installed, and every directory
/// that belongs to the interpreter. Installed is what can be imported: a package's native part may be of another Python.
const QUESTION: &str = "
import os, sys
def installed(package, *modules):
    try:
        from importlib import import_module, metadata
        for module in modules: import_module(module)
        return metadata.version(package)
    except Exception:
        return ''
print('%d.%d.%d' % sys.version_info[:3], sys.executable, installed('awslambdaric', 'runtime_client', 'awslambdaric'), installed('boto3'),
      sys.base_prefix, sys.prefix, sys.exec_prefix, sys.base_exec_prefix, os.path.dirname(os.__file__), sep='\\n')
";

/// Programs that may be `python3.MINOR`, best first.
pub(super) fn candidates(minor: u8, directories: &[PathBuf]) -> Vec<PathBuf> {
    let name = format!("python3.{minor}");
    let mut all: Vec<PathBuf> = directories
        .iter()
        .flat_map(|dir| [dir.join(&name).join("bin").join(&name), dir.join(&name).join("bin/python3")])
        .collect();
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    // pyenv's shims are slow and often lead nowhere; what they lead to is looked at directly.
    let path: Vec<_> = std::env::split_paths(&path).filter(|dir| *dir != pyenv.join("shims")).collect();
    all.extend(path.iter().map(|dir| dir.join(&name)));
    all.extend(
        versions(&pyenv.join("versions"), &format!("3.{minor}.")).map(|dir| dir.join("bin").join(&name)),
    );
    let uv = home.join(".local/share/uv/python");
    all.extend(versions(&uv, &format!("cpython-3.{minor}.")).map(|dir| dir.join("bin").join(&name)));
    all.extend(path.iter().map(|dir| dir.join("python3")));
    let mut seen = BTreeSet::new();
    all.retain(|program| program.canonicalize().is_ok_and(|real| real.is_file() && seen.insert(real)));
    all
}

/// Ask an interpreter what it is: its minor version and itself. `None` if it does not answer, as a shim of a version that is
/// not installed.
pub(super) async fn ask(program: &Path) -> Option<(u8, Interpreter)> {
    let text = program_answers(program, &["-I", "-c", QUESTION]).await?;
    let mut lines = text.lines();
    let version = lines.next()?.to_owned();
    let minor = version.strip_prefix("3.")?.split('.').next()?.parse().ok()?;
    let program = PathBuf::from(lines.next().filter(|line| !line.is_empty())?);
    let mut package = |name: &str| {
        lines.next().filter(|version| !version.is_empty()).map(|version| format!("{name} {version}"))
    };
    let (client, sdk) = (package("awslambdaric"), package("boto3"));
    let directories: Vec<PathBuf> = lines.map(PathBuf::from).collect();
    let prefix = directories.first()?.clone();
    let needs = needs_of(&program, directories)?;
    Some((minor, Interpreter { program, prefix, needs, version, client, sdk }))
}
