//! Which Node.js versions this host has.

use super::{Interpreter, needs_of, program_answers, versions};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The versions that AWS offers and newer functions use, by major number.
pub(super) const MAJORS: [u8; 4] = [18, 20, 22, 24];

/// Prints, a line each: the version, the program itself, and the version of the AWS SDK that is installed globally.
const QUESTION: &str = "console.log(process.versions.node + '\\n' + process.execPath + '\\n' + ((at) => { try { return require(at).version } \
     catch { return '' } })(process.execPath + '/../../lib/node_modules/@aws-sdk/client-kinesis/package.json'))";

/// Programs that may be Node.js of this major version, best first.
pub(super) fn candidates(major: u8, directories: &[PathBuf]) -> Vec<PathBuf> {
    let named = format!("nodejs{major}.x");
    let mut all: Vec<PathBuf> = directories.iter().map(|dir| dir.join(&named).join("bin/node")).collect();
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let nvm = std::env::var_os("NVM_DIR").map_or_else(|| home.join(".nvm"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = std::env::split_paths(&path).collect();
    all.extend(path.iter().map(|dir| dir.join(format!("node{major}"))));
    all.extend(path.iter().map(|dir| dir.join("node")));
    all.extend(versions(&nvm.join("versions/node"), &format!("v{major}.")).map(|dir| dir.join("bin/node")));
    all.extend(path.iter().map(|dir| dir.join("nodejs")));
    let mut seen = BTreeSet::new();
    all.retain(|program| program.canonicalize().is_ok_and(|real| real.is_file() && seen.insert(real)));
    all
}

/// Ask a program what it is: its major version and itself.
pub(super) async fn ask(program: &Path) -> Option<(u8, Interpreter)> {
    let text = program_answers(program, &["-e", QUESTION]).await?;
    let mut lines = text.lines();
    let version = lines.next()?.to_owned();
    let major = version.split('.').next()?.parse().ok()?;
    let program = PathBuf::from(lines.next().filter(|line| !line.is_empty())?);
    let sdk = lines.next().filter(|version| !version.is_empty()).map(|version| format!("@aws-sdk {version}"));
    // PREFIX/bin/node; global modules are in PREFIX/lib/node_modules.
    let prefix = program.parent()?.parent()?.to_owned();
    let needs = needs_of(&program, vec![prefix.clone()])?;
    Some((major, Interpreter { program, prefix, needs, version, client: None, sdk }))
}
