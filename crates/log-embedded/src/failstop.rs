use std::fmt::Display;
use std::sync::OnceLock;

/// Stops writing for good, with the first reason.
///
/// After a failed write or sync nothing is known of the file: Linux may drop the dirty pages and report success the next
/// time, so the file is never written or synced again by this process. Reads of what was durable go on.
#[derive(Debug, Default)]
pub(crate) struct FailStop {
    reason: OnceLock<String>,
}

impl FailStop {
    /// Returns the reason that holds, which is the first one given.
    pub(crate) fn stop(&self, what: &str, why: &dyn Display) -> &str {
        self.reason.get_or_init(|| {
            let reason = format!("{what} failed: {why}");
            tracing::error!(reason, "the log stopped; restart the server once the disk is well");
            reason
        })
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}
