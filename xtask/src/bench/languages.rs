//! What functions are written in, and the bare programs that each is compared with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::context::{Bench, words};
use super::functions::{self, Function, installed, native_package, package_of};
use super::process::Scratch;
use super::server::Server;
use super::system;
use crate::os;

/// Milliseconds between two invocations that follow each other, with a server and without. A worker needs some time after
/// its answer until it asks for more, which is no invocation's.
pub(crate) const PAUSE_MS: u32 = 2;

/// The target of components.
const COMPONENT: &str = "wasm32-wasip2";

/// A language with a function that does nothing.
#[derive(Debug)]
pub(crate) struct Language {
    pub(crate) name: String,
    pub(crate) runtime: String,
    pub(crate) handler: &'static str,
    /// The handler that tells of its batches, where there is one.
    pub(crate) teller: Option<&'static str>,
    pub(crate) package: Scratch,
    /// The worker as the server starts it, without anything that keeps it in. None where there is no process.
    pub(crate) worker: Option<Vec<String>>,
    /// The least that must be started: an interpreter with the modules that the worker imports.
    pub(crate) least: Option<(&'static str, Vec<String>)>,
    /// Goes after what uses it.
    _classes: Option<Scratch>,
}

impl Language {
    /// The worker outside of any sandbox, on a Runtime API with nothing behind it.
    pub(crate) fn bare(&self, bench: &Bench, starts: u32, rounds: u32) -> anyhow::Result<Value> {
        let worker = self.worker.as_ref().context("a function without a process")?;
        let mut arguments = words(&format!(
            "bare --starts {starts} --rounds {rounds} --warm-up {} --pause-ms {PAUSE_MS} --",
            rounds / 10
        ));
        arguments.extend(worker.iter().cloned());
        bench.load(&arguments).with_context(|| format!("{} without a server", self.name))
    }

    /// The least that must be started, started so often.
    pub(crate) fn least(&self, bench: &Bench, starts: u32) -> anyhow::Result<Value> {
        let (_, command) = self.least.as_ref().context("nothing less than the function itself")?;
        let mut arguments = words(&format!("spawn --starts {starts} --"));
        arguments.extend(command.iter().cloned());
        bench.load(&arguments).with_context(|| format!("{} by itself", self.name))
    }

    /// Makes the function that does nothing, or gives it new code: with `mark` in its package.
    pub(crate) fn deploy(
        &self,
        bench: &Bench,
        server: &Server,
        name: &str,
        mark: &str,
    ) -> anyhow::Result<()> {
        os::write(&self.package.0.join("mark"), mark)?;
        let environment = ["MILLSTREAM_RUNTIME_CLIENT=bundled".to_owned()];
        let Self { runtime, handler, .. } = self;
        let function = Function { name, runtime, handler, environment: &environment };
        functions::deploy(bench, server, function, &self.package.0)
    }

    /// Makes the function that tells `collector` of its batches, with more variables.
    pub(crate) fn deploy_teller(
        &self,
        bench: &Bench,
        server: &Server,
        (name, collector): (&str, &str),
        more: &[&str],
    ) -> anyhow::Result<()> {
        let handler = self.teller.context("a function that tells of nothing")?;
        let mut environment =
            vec!["MILLSTREAM_RUNTIME_CLIENT=bundled".to_owned(), format!("BENCH_COLLECTOR={collector}")];
        environment.extend(more.iter().map(|&variable| variable.to_owned()));
        let function = Function { name, runtime: &self.runtime, handler, environment: &environment };
        functions::deploy(bench, server, function, &self.package.0)
    }
}

/// An address where functions can tell of their batches.
pub(crate) fn collector() -> anyhow::Result<String> {
    Ok(format!("127.0.0.1:{}", system::free_port()?))
}

/// Rust, as a program that speaks the Runtime API itself.
pub(crate) fn native(bench: &Bench) -> anyhow::Result<Language> {
    Ok(Language {
        name: "Rust".to_owned(),
        runtime: "provided.al2023".to_owned(),
        handler: "bootstrap",
        teller: Some("bootstrap"),
        package: native_package(bench, "native")?,
        worker: Some(with_environment(
            "bootstrap",
            &bench.scratch,
            &[path_text(&bench.program("bench-worker"))?],
        )),
        least: None,
        _classes: None,
    })
}

/// Python with the bundled client.
pub(crate) fn python(bench: &Bench) -> anyhow::Result<Language> {
    let (runtime, program) = installed(bench, "python")?.into_iter().next().context("there is no Python")?;
    let package = package_of(bench, "python", &["python/noop.py", "python/batch.py"])?;
    let client = client("bootstrap.py")?;
    let list = "import ast, sys\nfor node in ast.parse(open(sys.argv[1]).read()).body:\n \
                if isinstance(node, ast.Import): print(*(alias.name for alias in node.names), sep='\\n')";
    let modules = os::output(Command::new(&program).args(["-c", list, &client]))?;
    let modules: Vec<&str> = modules.split_whitespace().collect();
    let script = format!("import {}\nsys.stdout.write('.')", modules.join(", "));
    let start = |more: &[&str]| {
        [&[program.as_str(), "-X", "utf8"], more].concat().iter().map(|&s| s.to_owned()).collect::<Vec<_>>()
    };
    Ok(Language {
        name: name_of(&runtime),
        handler: "noop.handler",
        teller: Some("batch.handler"),
        worker: Some(with_environment("noop.handler", &package.0, &start(&[&client]))),
        least: Some(("the interpreter, importing the same modules", start(&["-c", &script]))),
        package,
        runtime,
        _classes: None,
    })
}

/// Node.js with the bundled client.
pub(crate) fn node(bench: &Bench) -> anyhow::Result<Language> {
    let (runtime, program) = installed(bench, "nodejs")?.into_iter().next().context("there is no Node.js")?;
    let package = package_of(bench, "node", &["node/noop.mjs"])?;
    let client = client("index.mjs")?;
    let text = os::read(Path::new(&client))?;
    let imports: Vec<&str> = text.lines().filter(|line| line.starts_with("import ")).collect();
    if imports.is_empty() {
        bail!("{client} imports nothing");
    }
    let script = package.0.join("least.mjs");
    os::write(&script, &format!("{}\nprocess.stdout.write('.');\n", imports.join("\n")))?;
    let start = |file: &str| vec![program.clone(), file.to_owned()];
    Ok(Language {
        name: name_of(&runtime),
        handler: "noop.handler",
        teller: None,
        worker: Some(with_environment("noop.handler", &package.0, &start(&client))),
        least: Some(("the interpreter, importing the same modules", start(&path_text(&script)?))),
        package,
        runtime,
        _classes: None,
    })
}

/// Java with the bundled client, compiled here for the bare worker and by the server for itself.
pub(crate) fn java(bench: &Bench) -> anyhow::Result<Language> {
    let (runtime, program) = installed(bench, "java")?.into_iter().next().context("there is no Java")?;
    let compiler = Path::new(&program).with_file_name("javac");
    let (package, classes) = (Scratch::new(bench, "java")?, Scratch::new(bench, "java-client")?);
    let compile = |to: &Path, sources: &[PathBuf]| {
        os::output(Command::new(&compiler).args(["-proc:none", "-nowarn", "-d"]).arg(to).args(sources))
    };
    compile(&package.0, &[os::root().join("bench/functions/java/Noop.java")])?;
    let sources =
        ["Bootstrap", "Handler", "Json"].map(|name| client(&format!("java/{name}.java")).map(PathBuf::from));
    compile(&classes.0, &sources.into_iter().collect::<anyhow::Result<Vec<_>>>()?)?;
    let path = format!("{}:{}", path_text(&classes.0)?, path_text(&package.0)?);
    // As `crates/functions/src/java.rs` has them.
    let start = |class: &str| {
        let flags =
            ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", path.as_str(), class];
        [&[program.as_str()], flags.as_slice()]
            .concat()
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    Ok(Language {
        name: name_of(&runtime),
        handler: "Noop::handleRequest",
        teller: None,
        worker: Some(with_environment("Noop::handleRequest", &package.0, &start("millstream.Bootstrap"))),
        least: Some(("a virtual machine that prints a line", start("Noop"))),
        package,
        runtime,
        _classes: Some(classes),
    })
}

/// A component.
pub(crate) fn component(bench: &Bench) -> anyhow::Result<Language> {
    let package = Scratch::new(bench, "component")?;
    let mut compile = Command::new("rustc");
    compile.args(["--edition", "2024", "--target", COMPONENT, "-C", "opt-level=s", "-C", "strip=symbols"]);
    compile.arg("-o").arg(package.0.join("noop.wasm")).arg(os::root().join("bench/functions/wasm/noop.rs"));
    os::output(compile.current_dir(os::root()))
        .with_context(|| format!("`rustup target add {COMPONENT}` may help"))?;
    Ok(Language {
        name: "WebAssembly".to_owned(),
        runtime: "provided.wasm".to_owned(),
        handler: "noop.wasm",
        teller: None,
        package,
        worker: None,
        least: None,
        _classes: None,
    })
}

/// A file of the bundled clients.
fn client(name: &str) -> anyhow::Result<String> {
    path_text(&os::root().join("crates/functions/bootstrap").join(name))
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not text", path.display()))?.to_owned())
}

/// `Python 3.12` of `python3.12`.
fn name_of(runtime: &str) -> String {
    let version = runtime.find(|c: char| c.is_ascii_digit()).unwrap_or(runtime.len());
    let (language, version) = runtime.split_at(version);
    let language = match language {
        "python" => "Python",
        "nodejs" => "Node.js",
        "java" => "Java",
        other => other,
    };
    format!("{language} {}", version.trim_end_matches(".x"))
}

/// A worker's command line with the variables that the clients read.
fn with_environment(handler: &str, task: &Path, command: &[String]) -> Vec<String> {
    let task = task.display();
    let variables = [
        format!("_HANDLER={handler}"),
        format!("LAMBDA_TASK_ROOT={task}"),
        format!("LAMBDA_RUNTIME_DIR={task}"),
        "MILLSTREAM_RUNTIME_CLIENT=bundled".to_owned(),
        "AWS_LAMBDA_FUNCTION_NAME=bench".to_owned(),
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST".to_owned(),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769".to_owned(),
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/bench".to_owned(),
        "AWS_LAMBDA_LOG_STREAM_NAME=bench".to_owned(),
        "AWS_REGION=us-east-1".to_owned(),
    ];
    ["env".to_owned()].into_iter().chain(variables).chain(command.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn runtimes_have_names_that_people_use() {
        assert_eq!(
            ["python3.12", "nodejs20.x", "java17"].map(name_of),
            ["Python 3.12", "Node.js 20", "Java 17"]
        );
    }
}
