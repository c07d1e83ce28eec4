//! Whether this machine lets us build sandboxes, and if not, which part it refuses and what to do.

use super::init::ENTER_GROUP;
use super::launch::{Launched, launch};
use super::plan::{Plan, Report};
use crate::caps;
use std::fmt::Write;
use std::path::Path;

/// The kernel refuses a part of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("functions cannot be isolated on this machine: could not {step}: {why}. {advice}")]
pub struct IsolationUnavailable {
    /// The step that failed.
    pub step: String,
    /// The system's own words.
    pub why: String,
    /// What the user can do about it.
    pub advice: String,
}

impl IsolationUnavailable {
    /// A worker cannot have a control group.
    pub(crate) fn of_group(error: &std::io::Error) -> Self {
        Self { step: ENTER_GROUP.to_owned(), why: error.to_string(), advice: String::new() }
    }

    /// Only the control group failed: without one, functions can be isolated.
    pub(crate) fn is_of_group(&self) -> bool {
        self.step == ENTER_GROUP
    }
}

/// What a sandbox was found to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probed {
    /// What could not be had.
    pub notes: Vec<String>,
    /// Version of Landlock.
    pub landlock: Option<i32>,
}

/// Build a sandbox once, with nothing in it to run.
pub(crate) async fn probe(exe: &Path, plan: &Plan) -> Result<Probed, IsolationUnavailable> {
    let refused = |step: &str, why: String| IsolationUnavailable {
        step: step.to_owned(),
        why,
        advice: advice(step, |path| millstream_host::fs::read_to_string(Path::new(path)).ok()),
    };
    let mut launched =
        launch(exe, plan).await.map_err(|error| refused("start the sandbox", error.to_string()))?;
    let answer = tokio::time::timeout(caps::PROBE_TIMEOUT, listen(&mut launched)).await;
    launched.end();
    match answer {
        Ok(Ok(probed)) => Ok(probed),
        Ok(Err((step, why))) => Err(refused(&step, why)),
        Err(elapsed) => Err(refused("start the sandbox", elapsed.to_string())),
    }
}

async fn listen(launched: &mut Launched) -> Result<Probed, (String, String)> {
    let mut probed = Probed::default();
    loop {
        match launched.next_report().await {
            Some(Report::Note { text }) => probed.notes.push(text),
            Some(Report::Landlock { abi }) => probed.landlock = abi,
            // A machine without /bin/true still has a working sandbox.
            Some(Report::ExecFailed { .. } | Report::Exited { code: Some(0), .. }) => return Ok(probed),
            Some(Report::Exited { code, signal }) => {
                let why = format!("it ended with code {code:?}, signal {signal:?}");
                return Err(("run a program in the sandbox".to_owned(), why));
            }
            Some(Report::Refused { step, why }) => return Err((step, why)),
            None => {
                let why = format!("{} gave no answer as a sandbox", launched.exe.display());
                return Err(("start the sandbox".to_owned(), why));
            }
        }
    }
}

/// What to do, from the step that failed and the kernel's settings.
fn advice(step: &str, setting: impl Fn(&str) -> Option<String>) -> String {
    let is = |path: &str, value: &str| setting(path).is_some_and(|text| text.trim() == value);
    let mut text = String::new();
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        text.push_str(
            "AppArmor keeps unprivileged programs from making user namespaces (Ubuntu since 23.10): \
             install an AppArmor profile with `userns,` for this program, or run \
             `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`.",
        );
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        text.push_str("Run `sudo sysctl -w kernel.unprivileged_userns_clone=1`.");
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        text.push_str("Run `sudo sysctl -w user.max_user_namespaces=10000`.");
    } else if ["namespace", "mount", "map "].iter().any(|part| step.contains(part)) {
        text.push_str(
            "In a container, its security profile probably forbids it: \
             docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined.",
        );
    }
    let or = if text.is_empty() { "You can" } else { " Or" };
    write!(text, "{or} run functions without isolation, by explicit choice and with trusted code only: --function-isolation process")
        .expect("writing to a String cannot fail");
    text
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn advice_names_the_setting_that_forbids() {
        let ubuntu = |path: &str| path.contains("apparmor").then(|| "1\n".to_owned());
        assert!(advice("create a user namespace", ubuntu).contains("AppArmor"));
        let debian = |path: &str| path.contains("userns_clone").then(|| "0\n".to_owned());
        assert!(advice("create a user namespace", debian).contains("unprivileged_userns_clone=1"));
        assert!(advice("create a user namespace", |_| None).contains("docker run"));
        let unknown = advice("start the sandbox", |_| None);
        assert!(unknown.starts_with("You can run functions without isolation"), "{unknown}");
    }
}
