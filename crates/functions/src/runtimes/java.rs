//! Which Java development kits this host has.

use super::{Interpreter, needs_of};
use crate::files;
use millstream_host::fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The versions that AWS offers and whose Java knows all that the bundled client needs.
pub(super) const MAJORS: [u8; 4] = [11, 17, 21, 25];

/// Where installers put Java, one directory for each.
const PLACES: [&str; 2] = ["/usr/lib/jvm", "/opt/java"];

/// Java programs that may be of any version, best first. Which one each is says a file beside it.
pub(super) fn candidates(major: u8, directories: &[PathBuf]) -> Vec<PathBuf> {
    let named = format!("java{major}");
    let mut homes: Vec<PathBuf> = directories.iter().map(|dir| dir.join(&named)).collect();
    homes.extend(std::env::var_os("JAVA_HOME").map(PathBuf::from));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let managed = [home.join(".sdkman/candidates/java"), home.join(".jdks")];
    let mut programs: Vec<PathBuf> = homes.iter().map(|home| home.join("bin/java")).collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    programs.extend(std::env::split_paths(&path).map(|dir| dir.join("java")));
    for place in PLACES.iter().map(PathBuf::from).chain(managed) {
        let mut all = files::list(&place).unwrap_or_default();
        all.sort();
        programs.extend(all.into_iter().map(|home| home.join("bin/java")));
    }
    let mut seen = BTreeSet::new();
    let real = programs.into_iter().filter_map(|program| program.canonicalize().ok());
    real.filter(|program| program.is_file() && seen.insert(program.clone())).collect()
}

/// What a program is: its major version and itself. Its `release` file says so, which every build of Java has.
pub(super) fn ask(program: &Path) -> Option<(u8, Interpreter)> {
    let prefix = program.parent()?.parent()?.to_owned();
    let release = fs::read_to_string(&prefix.join("release")).ok()?;
    let version =
        release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"').to_owned();
    let major = version.split(['.', '+', '-']).next()?.parse().ok()?;
    let mut needs = needs_of(program, vec![prefix.clone()])?;
    needs.extend(settings_of(&prefix));
    let interpreter =
        Interpreter { program: program.to_owned(), prefix, needs, version, client: None, sdk: None };
    Some((major, interpreter))
}

/// The compiler beside a Java, if it is a development kit.
pub(crate) fn compiler(java: &Interpreter) -> Option<PathBuf> {
    Some(java.prefix.join("bin/javac")).filter(|compiler| compiler.is_file())
}

/// Distributions keep Java's settings below /etc, and link to them.
fn settings_of(prefix: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![prefix.join("conf"), prefix.join("lib/security")];
    while let Some(directory) = waiting.pop() {
        for path in files::list(&directory).unwrap_or_default() {
            if path.is_symlink() {
                found.extend(path.canonicalize().ok().and_then(|real| below_etc(&real)));
            } else if path.is_dir() {
                waiting.push(path);
            }
        }
    }
    found
}

/// `/etc/java-17-openjdk` of all that is in it.
fn below_etc(path: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix("/etc").ok()?;
    let first = rest.components().next()?;
    // Certificates, which every function sees.
    (!rest.starts_with("ssl")).then(|| Path::new("/etc").join(first))
}

#[cfg(test)]
mod tests {
    use super::{ask, below_etc};
    use std::path::{Path, PathBuf};

    #[test]
    fn a_java_says_its_version_in_a_file() {
        let home = millstream_host::fs::create_unique_dir(&std::env::temp_dir(), "java-").unwrap();
        let bin = home.join("bin");
        millstream_host::fs::create_dir_all(&bin).unwrap();
        let java = bin.join("java");
        millstream_host::fs::write(&java, b"").unwrap();
        let version = |release: &str| {
            millstream_host::fs::write(&home.join("release"), release.as_bytes()).unwrap();
            ask(&java).map(|(major, found)| (major, found.version))
        };
        assert_eq!(
            version("IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"17.0.15\"\n"),
            Some((17, "17.0.15".to_owned()))
        );
        assert_eq!(version("JAVA_VERSION=\"25\"\n"), Some((25, "25".to_owned())));
        assert_eq!(version("JAVA_VERSION=\"1.8.0_402\"\n").unwrap().0, 1);
        assert_eq!(version("nothing"), None);
        millstream_host::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn settings_below_etc_are_shown_as_one_directory() {
        let below = |path: &str| below_etc(Path::new(path));
        assert_eq!(
            below("/etc/java-17-openjdk/security/java.security"),
            Some(PathBuf::from("/etc/java-17-openjdk"))
        );
        assert_eq!(below("/etc/ssl/certs/java/cacerts"), None);
        assert_eq!(below("/usr/lib/x"), None);
    }
}
