//! The steps of `cargo xtask interop`: suites that take longer than every change should wait for.

use super::count::Format;
use super::steps::{self, Step};
use super::{Context, Report, tools};

/// All of them.
pub(super) const STEPS: &[Step] = &[
    Step { name: "build", about: "everything compiles", needs: &[], limit_minutes: 20, run: steps::build },
    Step {
        name: "aws-cli",
        about: "the AWS CLI as a process, every command that it and the server have",
        needs: &["build"],
        limit_minutes: 15,
        run: aws_cli,
    },
    Step {
        name: "go",
        about: "the Go SDK, version 2 (HTTP/1.1, and HTTP/2 over TLS)",
        needs: &["build"],
        limit_minutes: 20,
        run: go,
    },
    Step {
        name: "languages",
        about: "functions in Rust (lambda_runtime) and Go (aws-lambda-go), compiled and run",
        needs: &["build"],
        limit_minutes: 20,
        run: languages,
    },
    Step {
        name: "java",
        about: "the Java SDKs, versions 1 and 2: every operation, and all over TLS",
        needs: &["build"],
        limit_minutes: 20,
        run: |context| steps::java(context, "millstream.Interop"),
    },
];

fn aws_cli(context: &Context) -> anyhow::Result<Report> {
    let cli = tools::aws_cli(context)?;
    let mut tests = steps::python_tests(context, "conformance/aws-cli")?;
    context.run(tests.env("MILLSTREAM_AWS_CLI", cli), Format::Unittest)
}

fn go(context: &Context) -> anyhow::Result<Report> {
    let directory = context.root.join("conformance/go");
    let go = tools::go(context)?;
    let command = |arguments: &[&str]| {
        let mut command = context.command(&go);
        // The Go that was chosen is the one that runs, not one that it would fetch.
        command.args(arguments).env("GOTOOLCHAIN", "local");
        command.current_dir(&directory);
        command
    };
    context.prepare(&mut command(&["vet", "./..."]))?;
    // Go's own limit is shorter than the step's, so that it is the one to say which test hangs.
    context.run(&mut command(&["test", "-v", "-count=1", "-timeout=10m", "./..."]), Format::Go)
}

fn languages(context: &Context) -> anyhow::Result<Report> {
    let go = tools::go(context)?;
    let mut tests = steps::python_tests(context, "conformance/languages")?;
    context.run(tests.env("MILLSTREAM_GO", go), Format::Unittest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_needs_only_steps_before_it() {
        steps::tests::check(STEPS);
    }
}
