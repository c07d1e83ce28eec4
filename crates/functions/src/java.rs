//! The bundled runtime client for Java. It is kept as source, because classes in a repository can be read by nobody, and is
//! compiled by a development kit of this host when the first Java function needs it.

use crate::runtimes::Interpreter;
use crate::{caps, files};
use millstream_host::fs;
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;
use tokio::sync::Mutex;

/// The class that is started. It hands over to AWS's own client where the function brings it.
pub(crate) const MAIN: &str = "millstream.Bootstrap";
/// Where its classes are, below the runtime's directory.
pub(crate) const CLASSES: &str = "java";

const SOURCES: [(&str, &str); 3] = [
    ("Bootstrap.java", include_str!("../bootstrap/java/Bootstrap.java")),
    ("Handler.java", include_str!("../bootstrap/java/Handler.java")),
    ("Json.java", include_str!("../bootstrap/java/Json.java")),
];
/// The oldest Java that functions run with: classes for it run with all.
const RELEASE: &str = "11";

/// The classes, once they are compiled.
#[derive(Debug)]
pub(crate) struct Classes {
    /// The runtime's directory, which functions see, and one that they do not.
    runtime: PathBuf,
    work: PathBuf,
    /// Held while they are compiled.
    compiled: Mutex<bool>,
}

impl Classes {
    pub(crate) fn new(runtime: PathBuf, work: PathBuf) -> Self {
        Self { runtime, work, compiled: Mutex::new(false) }
    }

    /// See to it that the classes are there.
    pub(crate) async fn compile(&self, compiler: &Path) -> io::Result<()> {
        let mut done = self.compiled.lock().await;
        if *done {
            return Ok(());
        }
        let digest = SOURCES.iter().fold(Sha256::new(), |digest, (_, text)| digest.chain_update(text));
        let stamp = self.runtime.join(CLASSES).join(format!("compiled-{:016x}", leading(&digest.finalize())));
        if !stamp.is_file() {
            self.compile_anew(compiler, &stamp).await?;
        }
        *done = true;
        Ok(())
    }

    async fn compile_anew(&self, compiler: &Path, stamp: &Path) -> io::Result<()> {
        let sources = self.work.join("java-sources");
        let classes = self.runtime.join(CLASSES);
        for directory in [&sources, &classes] {
            if directory.exists() {
                fs::remove_dir_all(directory)?;
            }
            fs::create_dir_all(directory)?;
        }
        let mut javac = Command::new(compiler);
        javac.args(["--release", RELEASE, "-proc:none", "-nowarn", "-Xlint:-options", "-d"]).arg(&classes);
        for (name, text) in SOURCES {
            let source = sources.join(name);
            fs::write(&source, text.as_bytes())?;
            javac.arg(source);
        }
        let output = javac.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(caps::JAVA_COMPILATION, output)
            .await
            .map_err(|_late| io::Error::other(format!("{} does not end", compiler.display())))??;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("{} failed: {said}", compiler.display())));
        }
        // Functions of a server that runs as root are another user, whatever the umask is.
        let package = classes.join("millstream");
        for directory in [&classes, &package] {
            files::set_mode(directory, 0o755)?;
        }
        for class in files::list(&package)? {
            files::set_mode(&class, 0o644)?;
        }
        fs::write(stamp, b"")
    }
}

fn leading(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The command line of a Java function: a start that is quick rather than code that is fast after hours, as on AWS.
pub(crate) fn command(
    java: &Interpreter,
    memory_mb: u32,
    runtime: &str,
    task: &str,
    opt: &str,
) -> Vec<String> {
    // What is left is for the machine itself: code, threads, its own tables.
    let heap = (memory_mb / 4 * 3).max(32);
    let path = format!("{runtime}/{CLASSES}:{task}:{task}/lib/*:{opt}/java/lib/*");
    let fixed = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"];
    let mut argv = vec![java.program.to_string_lossy().into_owned(), format!("-XX:MaxHeapSize={heap}m")];
    argv.extend(fixed.map(ToOwned::to_owned));
    argv.extend([path, MAIN.to_owned()]);
    argv
}
