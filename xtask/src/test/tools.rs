//! What the test suites in other languages need, installed below `target/` through the ordinary package managers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::Context;
use crate::os;

/// The first of `programs` that is not on the search path.
pub(crate) fn missing<'a>(programs: &[&'a str]) -> Option<&'a str> {
    programs.iter().copied().find(|program| os::which(program).is_none())
}

/// A Python with the pinned packages of `conformance/python/requirements.txt`.
pub(crate) fn python(context: &Context) -> anyhow::Result<PathBuf> {
    Ok(virtual_environment(context, "venv", "conformance/python/requirements.txt")?.join("bin/python"))
}

/// A Python with AWS's runtime client, which the server must not find when it looks for Pythons: it is in none but this one.
pub(crate) fn awslambdaric(context: &Context) -> anyhow::Result<PathBuf> {
    Ok(virtual_environment(context, "awslambdaric", "conformance/runtimes/requirements.txt")?
        .join("bin/python"))
}

/// The AWS CLI, in an environment of its own: it says for itself which versions of shared packages it works with.
pub(crate) fn aws_cli(context: &Context) -> anyhow::Result<PathBuf> {
    Ok(virtual_environment(context, "aws-cli", "conformance/aws-cli/requirements.txt")?.join("bin/aws"))
}

/// A Go that can build `conformance/go`: the machine's own, or else the whole of it from Python's package index.
pub(crate) fn go(context: &Context) -> anyhow::Result<PathBuf> {
    if let Some(go) = os::which("go") {
        let wanted = os::read(&context.root.join("conformance/go/go.mod"))?;
        let here = os::output(Command::new(&go).args(["env", "GOVERSION"]))?;
        if go_version(&here, "go") >= go_version(&wanted, "go ") {
            return Ok(go);
        }
    }
    Ok(virtual_environment(context, "go", "conformance/go/requirements.txt")?.join("bin/go"))
}

/// The number after `before` at the beginning of a line, such as `(1, 24)` of `go 1.24.3`; zeros if there is none.
fn go_version(text: &str, before: &str) -> (u32, u32) {
    let version = text.lines().find_map(|line| line.strip_prefix(before)).unwrap_or_default();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A virtual environment below `target/` with the pinned packages of a file; made at the first call and when they change.
fn virtual_environment(context: &Context, name: &str, requirements: &str) -> anyhow::Result<PathBuf> {
    let venv = context.target.join("xtask").join(name);
    let requirements = context.root.join(requirements);
    let stamp = venv.join("requirements.installed");
    if !is_installed(&stamp, &requirements)? {
        context
            .prepare(context.command("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .context("cannot make a virtual environment (on Debian it needs the package python3-venv)")?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
        context.prepare(context.command(venv.join("bin/python")).args(install).arg(&requirements))?;
        os::write(&stamp, &os::read(&requirements)?)?;
    }
    Ok(venv)
}

/// Installs the pinned packages of `conformance/node`; again when the lock file changes.
pub(crate) fn node_modules(context: &Context) -> anyhow::Result<()> {
    let directory = context.root.join("conformance/node");
    let lock = directory.join("package-lock.json");
    let stamp = directory.join("node_modules/.installed-lock");
    if !is_installed(&stamp, &lock)? {
        let mut install = context.command("npm");
        context.prepare(install.args(["ci", "--no-audit", "--no-fund"]).current_dir(&directory))?;
        os::write(&stamp, &os::read(&lock)?)?;
    }
    Ok(())
}

/// The directory with both versions of AWS's runtime client for Node.js. They are unpacked, not installed: their scripts would
/// build native code, which `conformance/runtimes/native.cjs` stands in for.
pub(crate) fn aws_lambda_ric(context: &Context) -> anyhow::Result<PathBuf> {
    let all = context.target.join("xtask/aws-lambda-ric");
    for (major, version) in [("3", "3.3.0"), ("4", "4.0.2")] {
        let directory = all.join(format!("node_modules/aws-lambda-ric-{major}"));
        let stamp = directory.join(format!(".unpacked-{version}"));
        if stamp.is_file() {
            continue;
        }
        os::make_directory(&directory)?;
        let mut pack = context.command("npm");
        pack.args(["pack", "--silent", &format!("aws-lambda-ric@{version}"), "--pack-destination"]);
        context.prepare(pack.arg(&all))?;
        let mut unpack = context.command("tar");
        unpack.arg("-xzf").arg(all.join(format!("aws-lambda-ric-{version}.tgz")));
        context.prepare(unpack.arg("-C").arg(&directory).arg("--strip-components=1"))?;
        os::write(&stamp, version)?;
    }
    Ok(all)
}

/// The directory with the jars of AWS's runtime client for Java, which Maven fetches when it has not got them.
pub(crate) fn aws_lambda_java(context: &Context) -> anyhow::Result<PathBuf> {
    let jars = context.target.join("xtask/aws-lambda-java");
    let mut copy = context.command("mvn");
    copy.args(["--batch-mode", "--quiet", "--file", "conformance/runtimes/java/pom.xml"]);
    copy.arg(format!("-DoutputDirectory={}", jars.display()));
    context.prepare(copy.arg("dependency:copy-dependencies"))?;
    Ok(jars)
}

/// Compiles `conformance/java` with the pinned SDKs, which Maven fetches when it has not got them; where all classes are.
pub(crate) fn java_classpath(context: &Context) -> anyhow::Result<String> {
    let output = context.target.join("xtask/java");
    let dependencies = output.join("classpath");
    let mut build = context.command("mvn");
    build.args(["--batch-mode", "--quiet", "--file", "conformance/java/pom.xml"]);
    build.arg(format!("-Dconformance.output={}", output.display()));
    build.arg(format!("-Dmdep.outputFile={}", dependencies.display()));
    context.prepare(build.args(["compile", "dependency:build-classpath"]))?;
    Ok(format!("{}:{}", output.join("classes").display(), os::read(&dependencies)?.trim()))
}

fn is_installed(stamp: &Path, wanted: &Path) -> anyhow::Result<bool> {
    Ok(stamp.is_file() && os::read(stamp)? == os::read(wanted)?)
}

/// Whether a browser and its driver are at hand.
#[derive(Debug)]
pub(crate) enum Chromium {
    Here,
    /// Why not.
    Missing(String),
}

/// Looks for Chromium, and tries to install it where that needs no question: as root on a system with apt.
pub(crate) fn chromium(context: &Context) -> anyhow::Result<Chromium> {
    if has_chromium() {
        return Ok(Chromium::Here);
    }
    let is_root = os::output(Command::new("id").arg("-u"))?.trim() == "0";
    if !is_root || missing(&["apt-get"]).is_some() {
        return Ok(Chromium::Missing("chromium and chromedriver are not installed".to_owned()));
    }
    let mut install = context.command("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-y", "--no-install-recommends", "chromium", "chromium-driver"]);
    let installed = context
        .prepare(context.command("apt-get").arg("update"))
        .and_then(|()| context.prepare(&mut install));
    Ok(match installed {
        Ok(()) if has_chromium() => Chromium::Here,
        Ok(()) => Chromium::Missing("apt-get installed chromium and it is still not on the path".to_owned()),
        Err(error) => Chromium::Missing(format!("chromium is not installed and cannot be: {error:#}")),
    })
}

fn has_chromium() -> bool {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    browsers.iter().any(|name| os::which(name).is_some()) && os::which("chromedriver").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_as_numbers() {
        assert_eq!(go_version("module m\n\ngo 1.24\n\nrequire (\n", "go "), (1, 24));
        assert_eq!(go_version("go1.26.8\n", "go"), (1, 26));
        assert!(go_version("go1.9.1", "go") < go_version("go 1.24.0", "go "));
        assert_eq!(go_version("devel", "go"), (0, 0));
    }
}
