//! The steps of `cargo xtask test`, in order: the quick ones first.

use std::process::Command;

use super::count::Format;
use super::{Context, Report, tools};
use crate::{fuzz, sim};

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    /// What `--only` and `--skip` call it.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// A step whose failure makes this one pointless.
    pub(crate) needs: &'static [&'static str],
    pub(crate) limit_minutes: u64,
    pub(crate) run: fn(&Context) -> anyhow::Result<Report>,
}

/// All of them.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", about: "every file is formatted", needs: &[], limit_minutes: 2, run: fmt },
    Step {
        name: "tidy",
        about: "floors, lengths, manifests, forbidden text",
        needs: &[],
        limit_minutes: 2,
        run: tidy,
    },
    Step {
        name: "codegen",
        about: "generated code is up to date",
        needs: &[],
        limit_minutes: 5,
        run: codegen,
    },
    Step { name: "clippy", about: "no warning anywhere", needs: &[], limit_minutes: 20, run: clippy },
    Step {
        name: "bench",
        about: "the programs that measure: no warning, and their tests",
        needs: &[],
        limit_minutes: 15,
        run: bench,
    },
    Step { name: "build", about: "everything compiles", needs: &[], limit_minutes: 20, run: build },
    Step { name: "rust", about: "the tests of every crate", needs: &["build"], limit_minutes: 20, run: rust },
    Step {
        name: "sim",
        about: "the whole server in seeded time, network and disk",
        needs: &[],
        limit_minutes: 20,
        run: simulation,
    },
    Step {
        name: "fuzz",
        about: "every decoder with seeded mutations of good bytes",
        needs: &[],
        limit_minutes: 20,
        run: fuzzing,
    },
    Step { name: "example", about: "the example's function", needs: &[], limit_minutes: 5, run: example },
    Step {
        name: "conformance-rust",
        about: "the Rust SDK against the server",
        needs: &["build"],
        limit_minutes: 10,
        run: conformance_rust,
    },
    Step {
        name: "conformance-python",
        about: "boto3 and the raw wire against the server",
        needs: &["build"],
        limit_minutes: 10,
        run: |context| python_suite(context, "conformance/python"),
    },
    Step {
        name: "conformance-node",
        about: "the JavaScript SDK (HTTP/2) against the server",
        needs: &["build"],
        limit_minutes: 10,
        run: conformance_node,
    },
    Step {
        name: "pytest-plugin",
        about: "testing/pytest in a test run of its own",
        needs: &["build"],
        limit_minutes: 5,
        run: |context| python_suite(context, "testing/pytest/tests"),
    },
    Step {
        name: "conformance-java",
        about: "the Java SDKs (CBOR, HTTP/2) against the server",
        needs: &["build"],
        limit_minutes: 10,
        run: conformance_java,
    },
    Step {
        name: "runtimes",
        about: "the bundled runtime clients beside AWS's own, byte for byte",
        needs: &[],
        limit_minutes: 10,
        run: runtimes,
    },
    Step {
        name: "crash",
        about: "kill -9 under load, restarts, clean shutdown",
        needs: &["build"],
        limit_minutes: 10,
        run: |context| python_suite(context, "conformance/crash"),
    },
    Step {
        name: "demo",
        about: "the founding scenario without a page",
        needs: &["build"],
        limit_minutes: 10,
        run: |context| python_suite(context, "conformance/demo"),
    },
    Step {
        name: "page",
        about: "the demo's page in headless Chromium",
        needs: &["build"],
        limit_minutes: 5,
        run: page,
    },
];

fn fmt(context: &Context) -> anyhow::Result<Report> {
    context.run(context.command("cargo").args(["fmt", "--all", "--check"]), Format::Whole)
}

fn tidy(context: &Context) -> anyhow::Result<Report> {
    context.run(context.command(std::env::current_exe()?).arg("tidy"), Format::Whole)
}

fn codegen(context: &Context) -> anyhow::Result<Report> {
    context.run(context.command(std::env::current_exe()?).args(["codegen", "--check"]), Format::Whole)
}

fn clippy(context: &Context) -> anyhow::Result<Report> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    context.run(context.command("cargo").args(arguments), Format::Whole)
}

/// A workspace of its own, with its own lock file: `cargo xtask bench` measures with it. Nothing is measured here.
fn bench(context: &Context) -> anyhow::Result<Report> {
    let cargo = |arguments: &[&str]| {
        let mut command = context.command("cargo");
        command.args(arguments).current_dir(context.root.join("bench"));
        command
    };
    let target = context.target.join("bench");
    let members = ["-p", "bench-load", "-p", "bench-ladder", "-p", "bench-fjall", "-p", "bench-worker"];
    context.prepare(cargo(&["fmt", "--check"]).args(members))?;
    let mut clippy = cargo(&["clippy", "--locked", "--all-targets", "--target-dir"]);
    context.prepare(clippy.arg(&target).args(["--", "-D", "warnings"]))?;
    context.run(cargo(&["test", "--locked", "--no-fail-fast", "--target-dir"]).arg(&target), Format::Cargo)
}

/// Builds what the later steps run in the form in which `cargo test` wants it, so that nothing is built twice: cargo
/// chooses the features of shared dependencies by what is selected, hence always the whole workspace.
pub(super) fn build(context: &Context) -> anyhow::Result<Report> {
    context.run(context.command("cargo").args(["build", "--workspace", "--all-targets"]), Format::Whole)
}

fn rust(context: &Context) -> anyhow::Result<Report> {
    let arguments = ["test", "--workspace", "--exclude", "conformance-rust", "--no-fail-fast"];
    context.run(context.command("cargo").args(arguments), Format::Cargo)
}

/// The same checks as for the house, in the simulation's own workspace; the tests run one file after the other, and
/// determinism first.
fn simulation(context: &Context) -> anyhow::Result<Report> {
    let checks: [&[&str]; 2] = [&["fmt", "--check"], &["clippy", "--all-targets", "--", "-D", "warnings"]];
    for check in checks {
        context.prepare(sim::prepare(context.command("cargo").args(check), &context.target))?;
    }
    context.run(sim::prepare(context.command("cargo").arg("test"), &context.target), Format::Cargo)
}

/// The same checks as for the house, in the workspace of the fuzz targets; the tests need no fuzzer.
fn fuzzing(context: &Context) -> anyhow::Result<Report> {
    let checks: [&[&str]; 2] = [&["fmt", "--check"], &["clippy", "--all-targets", "--", "-D", "warnings"]];
    for check in checks {
        context.prepare(fuzz::prepare(context.command("cargo").args(check), &context.target))?;
    }
    context.run(fuzz::prepare(context.command("cargo").arg("test"), &context.target), Format::Cargo)
}

fn example(context: &Context) -> anyhow::Result<Report> {
    let arguments =
        ["-m", "unittest", "discover", "-s", "examples/internet-provider/tests", "-p", "test_*.py"];
    context.run(context.command("python3").args(arguments), Format::Unittest)
}

fn conformance_rust(context: &Context) -> anyhow::Result<Report> {
    let arguments =
        ["test", "--workspace", "--no-fail-fast", "--test", "kinesis_sdk", "--test", "lambda_sdk"];
    context.run(context.command("cargo").args(arguments), Format::Cargo)
}

/// Runs the tests below `directory`, which may import `support` from `conformance/python`.
fn python_suite(context: &Context, directory: &str) -> anyhow::Result<Report> {
    context.run(&mut python_tests(context, directory)?, Format::Unittest)
}

/// The command that runs the tests below `directory`.
pub(super) fn python_tests(context: &Context, directory: &str) -> anyhow::Result<Command> {
    let python = tools::python(context)?;
    let mut command = context.command(python);
    command.env("PYTHONPATH", context.root.join("conformance/python"));
    command.args(["-m", "unittest", "discover", "--verbose", "-s", directory, "-p", "test_*.py"]);
    Ok(command)
}

fn conformance_node(context: &Context) -> anyhow::Result<Report> {
    if let Some(missing) = tools::missing(&["node", "npm"]) {
        return Ok(Report::Skipped(format!("{missing} is not installed; Node.js 20 or later has it")));
    }
    tools::node_modules(context)?;
    let mut command = context.command("node");
    command.args(["--test", "--test-reporter=tap"]).current_dir(context.root.join("conformance/node"));
    context.run(&mut command, Format::Tap)
}

fn conformance_java(context: &Context) -> anyhow::Result<Report> {
    java(context, "millstream.Conformance")
}

/// Runs one program of `conformance/java`.
pub(super) fn java(context: &Context, program: &str) -> anyhow::Result<Report> {
    if let Some(missing) = tools::missing(&["java", "javac", "mvn"]) {
        return Ok(Report::Skipped(format!(
            "{missing} is not installed; it takes a JDK from 17 on, and Maven"
        )));
    }
    let classpath = tools::java_classpath(context)?;
    context.run(context.command("java").arg("-cp").arg(classpath).arg(program), Format::Tap)
}

/// Runs `conformance/runtimes`. What is not installed there makes its tests say so.
fn runtimes(context: &Context) -> anyhow::Result<Report> {
    let python = tools::python(context)?;
    let official = tools::awslambdaric(context)?;
    let mut command = context.command(python);
    command.env("MILLSTREAM_RIC_PYTHON", official);
    if tools::missing(&["node", "npm"]).is_none() {
        command.env("MILLSTREAM_RIC_NODE", tools::aws_lambda_ric(context)?);
    }
    if tools::missing(&["java", "javac", "mvn"]).is_none() {
        command.env("MILLSTREAM_RIC_JAVA", tools::aws_lambda_java(context)?);
    }
    command.args([
        "-m",
        "unittest",
        "discover",
        "--verbose",
        "-s",
        "conformance/runtimes",
        "-p",
        "test_*.py",
    ]);
    context.run(&mut command, Format::Unittest)
}

fn page(context: &Context) -> anyhow::Result<Report> {
    match tools::chromium(context)? {
        tools::Chromium::Here => python_suite(context, "conformance/page"),
        tools::Chromium::Missing(why) => Ok(Report::Skipped(why)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Holds a command's list of steps to what the runner relies on.
    pub(in crate::test) fn check(steps: &[Step]) {
        for (at, step) in steps.iter().enumerate() {
            assert!(
                steps[..at].iter().all(|before| before.name != step.name),
                "two steps are called {}",
                step.name
            );
            for need in step.needs {
                assert!(steps[..at].iter().any(|before| before.name == *need), "{} needs {need}", step.name);
            }
        }
    }

    #[test]
    fn a_step_needs_only_steps_before_it() {
        check(STEPS);
    }
}
