//! Waiting until something is as it was asked to be.

use super::caps;
use super::progress::Progress;
use super::times::shown;
use anyhow::{Result, bail};
use millstream_host::{Clock, SystemClock};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Asks again and again, less and less often. Dropped, it takes its line from the terminal.
#[derive(Debug)]
pub(super) struct Patience {
    what: String,
    pause: Duration,
    clock: SystemClock,
    progress: Progress,
}

impl Patience {
    pub(super) fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        let progress = Progress::waiting(format!("waiting for {what}"));
        Self { what, pause: FIRST_PAUSE, clock: SystemClock::new(), progress }
    }

    /// Wait a moment before the next look; an error once it has taken too long.
    pub(super) async fn wait(&mut self, state: &str) -> Result<()> {
        if self.clock.monotonic() > caps::PATIENCE {
            bail!("{} is still {state} after {}; it may yet get there", self.what, shown(caps::PATIENCE));
        }
        self.progress.say(format!("waiting for {}: {state}", self.what));
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
