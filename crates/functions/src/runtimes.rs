//! Which runtimes there are, and where this host has them.

mod java;
mod node;
mod python;

pub(crate) use java::compiler as java_compiler;

use crate::{caps, files};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::process::Command;

/// A Lambda runtime that can be run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// `python3.MINOR`
    Python { minor: u8 },
    /// `nodejsMAJOR.x`
    Node { major: u8 },
    /// `javaMAJOR`
    Java { major: u8 },
    /// `provided.al2`
    ProvidedAl2,
    /// `provided.al2023`
    ProvidedAl2023,
    /// `provided.wasm`, which is our own: a WebAssembly component.
    ProvidedWasm,
    /// None: the function runs somewhere else.
    Elsewhere,
}

/// A runtime identifier that AWS may know and Millstream does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the runtime {0} is not supported: use python3.9 to python3.14, nodejs18.x to nodejs24.x, java11 to java25, \
     provided.al2, provided.al2023 or provided.wasm"
)]
pub struct UnknownRuntime(pub String);

impl FromStr for Runtime {
    type Err = UnknownRuntime;

    fn from_str(text: &str) -> Result<Self, UnknownRuntime> {
        match text {
            "provided.al2" => return Ok(Self::ProvidedAl2),
            "provided.al2023" => return Ok(Self::ProvidedAl2023),
            "provided.wasm" => return Ok(Self::ProvidedWasm),
            _ => {}
        }
        Self::interpreted()
            .find(|known| known.to_string() == text)
            .ok_or_else(|| UnknownRuntime(text.to_owned()))
    }
}

impl Runtime {
    /// Those that need an interpreter of the host.
    fn interpreted() -> impl Iterator<Item = Self> {
        let pythons = python::MINORS.map(|minor| Self::Python { minor });
        let nodes = node::MAJORS.map(|major| Self::Node { major });
        pythons.chain(nodes).chain(java::MAJORS.map(|major| Self::Java { major }))
    }

    /// All that functions can have, here or on another machine.
    pub fn all() -> Vec<Self> {
        [Self::ProvidedAl2, Self::ProvidedAl2023, Self::ProvidedWasm]
            .into_iter()
            .chain(Self::interpreted())
            .collect()
    }

    /// How to have it on a machine that has not.
    pub fn advice(self) -> String {
        let what = match self {
            Self::Python { minor } => {
                format!("Python 3.{minor}, found in PATH, below ~/.pyenv/versions or uv's directory")
            }
            Self::Node { major } => format!("Node.js {major}, found in PATH or below ~/.nvm/versions/node"),
            Self::Java { major } => format!(
                "a development kit (JDK) of Java {major}, found in JAVA_HOME, PATH, /usr/lib/jvm, /opt/java or \
                 ~/.sdkman/candidates/java"
            ),
            _ => return "nothing: functions bring it".to_owned(),
        };
        format!("install {what}")
    }

    /// Whether the host's own interpreter runs its functions.
    pub fn is_interpreted(self) -> bool {
        match self {
            Self::Python { .. } | Self::Node { .. } | Self::Java { .. } => true,
            Self::ProvidedAl2 | Self::ProvidedAl2023 | Self::ProvidedWasm | Self::Elsewhere => false,
        }
    }

    /// Whether its functions are machine code, which runs on one architecture only.
    pub fn is_machine_code(self) -> bool {
        matches!(self, Self::ProvidedAl2 | Self::ProvidedAl2023)
    }

    /// Where many users' interpreters are, other than in PATH.
    fn version_manager(self) -> &'static str {
        match self {
            Self::Node { .. } => "~/.nvm/versions/node",
            Self::Java { .. } => "/usr/lib/jvm",
            _ => "~/.pyenv/versions",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python { minor } => write!(f, "python3.{minor}"),
            Self::Node { major } => write!(f, "nodejs{major}.x"),
            Self::Java { major } => write!(f, "java{major}"),
            Self::ProvidedAl2 => f.write_str("provided.al2"),
            Self::ProvidedAl2023 => f.write_str("provided.al2023"),
            Self::ProvidedWasm => f.write_str("provided.wasm"),
            Self::Elsewhere => f.write_str("elsewhere"),
        }
    }
}

/// The host has no interpreter of the version wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine has no {wanted}; it has {}. Install it so that it is found in PATH or below {}{}, or name a directory with \
     {wanted}/bin in it as a runtime directory",
    names(found), wanted.version_manager(),
    if matches!(wanted, Runtime::Java { .. }) { " (a development kit, with its compiler javac)" } else { "" }
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
    /// `sys.base_prefix` of a Python; of Node.js the directory above `bin`.
    pub prefix: PathBuf,
    /// Directories and files outside /usr that must be visible for it to run.
    pub needs: Vec<PathBuf>,
    /// As it says itself: `3.12.1`.
    pub version: String,
    /// AWS's own runtime client, where one is installed for it: its name and version. Otherwise the bundled one runs functions.
    pub client: Option<String>,
    /// The AWS SDK that functions find without bringing it: its name and version.
    pub sdk: Option<String>,
}

/// Finds interpreters and remembers those found.
#[derive(Debug)]
pub(crate) struct Runtimes {
    /// Directories that the operator named.
    directories: Vec<PathBuf>,
    /// Directories that must not become visible through an interpreter's prefix.
    hidden: Vec<PathBuf>,
    found: Mutex<BTreeMap<Runtime, Interpreter>>,
}

impl Runtimes {
    pub(crate) fn new(directories: Vec<PathBuf>, hidden: Vec<PathBuf>) -> Self {
        Self { directories, hidden, found: Mutex::default() }
    }

    /// The interpreter of a runtime; `None` if the function brings its own.
    pub(crate) async fn find(&self, runtime: Runtime) -> Result<Option<Interpreter>, RuntimeMissing> {
        if !runtime.is_interpreted() {
            return Ok(None);
        }
        if let Some(found) = self.interpreter(runtime).await {
            return Ok(Some(found));
        }
        let found = self.all().await.into_iter().map(|found| found.runtime).collect();
        Err(RuntimeMissing { wanted: runtime, found })
    }

    pub(crate) async fn all(&self) -> Vec<FoundRuntime> {
        let mut all = vec![
            FoundRuntime { runtime: Runtime::ProvidedAl2, interpreter: None },
            FoundRuntime { runtime: Runtime::ProvidedAl2023, interpreter: None },
            FoundRuntime { runtime: Runtime::ProvidedWasm, interpreter: None },
        ];
        for runtime in Runtime::interpreted() {
            if let Some(interpreter) = self.interpreter(runtime).await {
                all.push(FoundRuntime { runtime, interpreter: Some(interpreter) });
            }
        }
        all
    }

    async fn interpreter(&self, runtime: Runtime) -> Option<Interpreter> {
        let known = self.found().get(&runtime).cloned();
        if known.is_some() {
            return known;
        }
        let candidates = match runtime {
            Runtime::Python { minor } => python::candidates(minor, &self.directories),
            Runtime::Node { major } => node::candidates(major, &self.directories),
            Runtime::Java { major } => java::candidates(major, &self.directories),
            _ => Vec::new(),
        };
        for program in candidates {
            let Some((its_runtime, interpreter)) = ask(runtime, &program).await else { continue };
            let home = std::env::var_os("HOME").map(PathBuf::from);
            let too_much = |need: &PathBuf| Some((need.clone(), self.why_hidden(need, home.as_deref())?));
            if let Some((shown, why)) = interpreter.needs.iter().find_map(too_much) {
                tracing::warn!(
                    program = %program.display(), shown = %shown.display(),
                    "not using this interpreter, because functions would see {why}: install it in a directory of its own"
                );
                continue;
            }
            if its_runtime == runtime {
                self.found().insert(runtime, interpreter.clone());
                return Some(interpreter);
            }
        }
        None
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<Runtime, Interpreter>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The runtimes of this machine, as a server that is started here finds them. Asks every interpreter, so it takes a moment.
pub async fn installed_runtimes() -> Vec<FoundRuntime> {
    Runtimes::new(Vec::new(), Vec::new()).all().await
}

/// Which runtime of `like`'s language a program is.
async fn ask(like: Runtime, program: &Path) -> Option<(Runtime, Interpreter)> {
    match like {
        Runtime::Python { .. } => {
            python::ask(program).await.map(|(minor, found)| (Runtime::Python { minor }, found))
        }
        Runtime::Node { .. } => {
            node::ask(program).await.map(|(major, found)| (Runtime::Node { major }, found))
        }
        Runtime::Java { .. } => java::ask(program)
            .filter(|(_, found)| java::compiler(found).is_some())
            .map(|(major, found)| (Runtime::Java { major }, found)),
        _ => None,
    }
}

/// What a program prints; `None` if it does not, or takes too long.
async fn program_answers(program: &Path, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(caps::INTERPRETER_ANSWER, output).await.ok()?.ok()?;
    if output.status.success() { String::from_utf8(output.stdout).ok() } else { None }
}

/// What of a program and its directories is not in /usr, which every function sees.
fn needs_of(program: &Path, directories: Vec<PathBuf>) -> Option<Vec<PathBuf>> {
    let real = program.canonicalize().ok()?;
    let mut needs: Vec<PathBuf> = Vec::new();
    for path in directories.into_iter().chain([program.to_owned(), real]) {
        let is_there = path.starts_with("/usr") || needs.iter().any(|seen| path.starts_with(seen));
        if !is_there && path != Path::new("/") {
            needs.push(path);
        }
    }
    Some(needs)
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
        for text in [
            "python3.9",
            "python3.12",
            "python3.14",
            "nodejs18.x",
            "nodejs24.x",
            "java11",
            "java17",
            "java25",
            "provided.al2",
            "provided.al2023",
            "provided.wasm",
        ] {
            assert_eq!(text.parse::<Runtime>().unwrap().to_string(), text);
        }
        for text in [
            "python3.8",
            "python3.15",
            "python3.09",
            "python3.+9",
            "python3",
            "nodejs16.x",
            "nodejs22",
            "java8",
            "java17.x",
            "",
        ] {
            assert!(text.parse::<Runtime>().is_err(), "{text}");
        }
    }
}
