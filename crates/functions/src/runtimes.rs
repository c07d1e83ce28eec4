//! Which runtimes there are, and where this host has them.

use crate::{caps, files};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;
use tokio::process::Command;

/// A Lambda runtime that can be run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// `python3.MINOR`
    Python { minor: u8 },
    /// `provided.al2`
    ProvidedAl2,
    /// `provided.al2023`
    ProvidedAl2023,
}

/// The Python versions that AWS offers, by minor number.
const PYTHONS: std::ops::RangeInclusive<u8> = 9..=14;

/// A runtime identifier that AWS may know and Millstream does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the runtime {0} is not supported: use python3.9 to python3.14, provided.al2 or provided.al2023")]
pub struct UnknownRuntime(pub String);

impl FromStr for Runtime {
    type Err = UnknownRuntime;

    fn from_str(text: &str) -> Result<Self, UnknownRuntime> {
        match text {
            "provided.al2" => return Ok(Self::ProvidedAl2),
            "provided.al2023" => return Ok(Self::ProvidedAl2023),
            _ => {}
        }
        let minor = text.strip_prefix("python3.").filter(|digits| !digits.starts_with(['0', '+']));
        match minor.and_then(|digits| digits.parse().ok()) {
            Some(minor) if PYTHONS.contains(&minor) => Ok(Self::Python { minor }),
            _ => Err(UnknownRuntime(text.to_owned())),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python { minor } => write!(f, "python3.{minor}"),
            Self::ProvidedAl2 => f.write_str("provided.al2"),
            Self::ProvidedAl2023 => f.write_str("provided.al2023"),
        }
    }
}

/// The host has no interpreter of the version wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine has no {wanted}; it has {}. Install {wanted} so that it is found in PATH or below ~/.pyenv/versions, \
     or name a directory with {wanted}/bin/{wanted} in it as a runtime directory",
    names(found)
)]
pub struct RuntimeMissing {
    pub wanted: Runtime,
    pub found: Vec<Runtime>,
}

fn names(runtimes: &[Runtime]) -> String {
    runtimes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A runtime of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRuntime {
    pub runtime: Runtime,
    /// Its interpreter; `None` for a runtime that a function brings itself.
    pub interpreter: Option<Interpreter>,
}

/// A program and the directories that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    pub program: PathBuf,
    /// `sys.base_prefix`
    pub prefix: PathBuf,
    /// Directories and files outside /usr that must be visible for it to run.
    pub needs: Vec<PathBuf>,
}

/// Finds interpreters and remembers those found.
#[derive(Debug)]
pub(crate) struct Runtimes {
    /// Directories that the operator named.
    directories: Vec<PathBuf>,
    /// Directories that must not become visible through an interpreter's prefix.
    hidden: Vec<PathBuf>,
    found: Mutex<BTreeMap<u8, Interpreter>>,
}

/// Prints, a line each: minor version, program, and every directory that belongs to the interpreter.
const QUESTION: &str = "import os, sys; print(sys.version_info[1], sys.executable, sys.base_prefix, sys.prefix, \
     sys.exec_prefix, sys.base_exec_prefix, os.path.dirname(os.__file__), sep='\\n')";

impl Runtimes {
    pub(crate) fn new(directories: Vec<PathBuf>, hidden: Vec<PathBuf>) -> Self {
        Self { directories, hidden, found: Mutex::default() }
    }

    /// The interpreter of a runtime; `None` if the function brings its own.
    pub(crate) async fn find(&self, runtime: Runtime) -> Result<Option<Interpreter>, RuntimeMissing> {
        let Runtime::Python { minor } = runtime else { return Ok(None) };
        if let Some(found) = self.python(minor).await {
            return Ok(Some(found));
        }
        let found = self.all().await.into_iter().map(|found| found.runtime).collect();
        Err(RuntimeMissing { wanted: runtime, found })
    }

    pub(crate) async fn all(&self) -> Vec<FoundRuntime> {
        let mut all = vec![
            FoundRuntime { runtime: Runtime::ProvidedAl2, interpreter: None },
            FoundRuntime { runtime: Runtime::ProvidedAl2023, interpreter: None },
        ];
        for minor in PYTHONS {
            if let Some(interpreter) = self.python(minor).await {
                all.push(FoundRuntime { runtime: Runtime::Python { minor }, interpreter: Some(interpreter) });
            }
        }
        all
    }

    async fn python(&self, minor: u8) -> Option<Interpreter> {
        let known = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&minor).cloned();
        if known.is_some() {
            return known;
        }
        for program in candidates(minor, &self.directories) {
            let Some((its_minor, interpreter)) = ask(&program).await else { continue };
            let home = std::env::var_os("HOME").map(PathBuf::from);
            let too_much = |need: &PathBuf| Some((need.clone(), self.why_hidden(need, home.as_deref())?));
            if let Some((shown, why)) = interpreter.needs.iter().find_map(too_much) {
                tracing::warn!(
                    program = %program.display(), shown = %shown.display(),
                    "not using this interpreter, because functions would see {why}: install it in a directory of its own"
                );
                continue;
            }
            if its_minor == minor {
                let mut found = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                found.insert(minor, interpreter.clone());
                return Some(interpreter);
            }
        }
        None
    }

    /// What of the host, that functions must not see, showing `need` to them would show.
    fn why_hidden(&self, need: &Path, home: Option<&Path>) -> Option<&'static str> {
        if self.hidden.iter().any(|hidden| hidden.starts_with(need) || need.starts_with(hidden)) {
            return Some("the server's own data");
        }
        let home = home.filter(|home| home.is_absolute())?;
        if home.starts_with(need) {
            return Some("the home directory of the server's user");
        }
        (need == home.join(".local")).then_some("all that the server's user keeps in ~/.local")
    }
}

/// Programs that may be `python3.MINOR`, best first.
fn candidates(minor: u8, directories: &[PathBuf]) -> Vec<PathBuf> {
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

/// Directories below `directory` whose names start with `prefix`, the highest version first.
fn versions(directory: &Path, prefix: &str) -> impl Iterator<Item = PathBuf> {
    let number = |path: &Path| {
        let name = path.file_name()?.to_str()?.strip_prefix(prefix)?;
        name.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
    };
    let mut found: Vec<_> = files::list(directory)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path)
}

/// Ask an interpreter what it is. `None` if it does not answer, as a shim of a version that is not installed.
async fn ask(program: &Path) -> Option<(u8, Interpreter)> {
    let output = Command::new(program)
        .args(["-I", "-c", QUESTION])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(caps::INTERPRETER_ANSWER, output).await.ok()?.ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let minor = lines.next()?.parse().ok()?;
    let program = PathBuf::from(lines.next().filter(|line| !line.is_empty())?);
    let directories: Vec<PathBuf> = lines.map(PathBuf::from).collect();
    let prefix = directories.first()?.clone();
    let mut needs: Vec<PathBuf> = Vec::new();
    let real = program.canonicalize().ok()?;
    for path in directories.into_iter().chain([program.clone(), real]) {
        let is_there = path.starts_with("/usr") || needs.iter().any(|seen| path.starts_with(seen));
        if !is_there && path != Path::new("/") {
            needs.push(path);
        }
    }
    Some((minor, Interpreter { program, prefix, needs }))
}

#[cfg(test)]
mod tests {
    use super::{Runtime, Runtimes};
    use std::path::Path;

    #[test]
    fn what_would_show_the_users_own_files_is_not_shown() {
        let runtimes = Runtimes::new(Vec::new(), vec!["/data/run".into()]);
        let why = |need: &str| runtimes.why_hidden(Path::new(need), Some(Path::new("/home/me")));
        for need in ["/home/me", "/home", "/home/me/.local", "/data", "/data/run", "/data/run/x"] {
            assert!(why(need).is_some(), "{need}");
        }
        for need in [
            "/home/me/.local/share/uv/python/cpython-3.12.1",
            "/home/me/.pyenv/versions/3.12.1",
            "/opt/python",
        ] {
            assert_eq!(why(need), None, "{need}");
        }
    }

    #[test]
    fn a_runtime_reads_as_it_writes() {
        for text in ["python3.9", "python3.12", "python3.14", "provided.al2", "provided.al2023"] {
            assert_eq!(text.parse::<Runtime>().unwrap().to_string(), text);
        }
        for text in ["python3.8", "python3.15", "python3.09", "python3.+9", "python3", "nodejs22.x", ""] {
            assert!(text.parse::<Runtime>().is_err(), "{text}");
        }
    }
}
