//! How much of what functions print is kept, and for how long.

use crate::byte_size::ByteSize;
use anyhow::{Result, ensure};
use clap::Args;
use millstream_host::Clock;
use millstream_logs::{StoreOptions, caps};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct FunctionLogOptions {
    /// What the logs of all functions may take on the disk: the oldest go first [default: 1GiB]
    #[arg(long = "function-logs-bytes", env = "MILLSTREAM_FUNCTION_LOGS_BYTES", value_name = "BYTES")]
    pub(crate) total: Option<ByteSize>,

    /// What one log group of them may take [default: 128MiB]
    #[arg(
        long = "function-log-group-bytes",
        env = "MILLSTREAM_FUNCTION_LOG_GROUP_BYTES",
        value_name = "BYTES"
    )]
    pub(crate) group: Option<ByteSize>,

    /// How many days log groups without a retention policy are kept [default: as long as there is room]
    #[arg(long = "function-logs-days", env = "MILLSTREAM_FUNCTION_LOGS_DAYS", value_name = "DAYS")]
    pub(crate) days: Option<u32>,
}

impl FunctionLogOptions {
    /// These, and where they say nothing, `others`.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            total: self.total.or(others.total),
            group: self.group.or(others.group),
            days: self.days.or(others.days),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let least = caps::LEAST_BYTES;
        for (name, size) in [("function-logs-bytes", self.total), ("function-log-group-bytes", self.group)] {
            ensure!(size.is_none_or(|size| size.0 >= least), "{name} must be at least {least}");
        }
        ensure!(self.days != Some(0), "function-logs-days must be at least 1");
        Ok(())
    }

    /// Of a store in `directory`, or in memory's stead a temporary one.
    pub(crate) fn store(&self, directory: Option<PathBuf>, clock: Arc<dyn Clock>) -> StoreOptions {
        let mut options = StoreOptions::new(directory, clock);
        if let Some(total) = self.total {
            options.total_bytes = total.0;
        }
        if let Some(group) = self.group {
            options.group_bytes = group.0;
        }
        options.retention_days = self.days;
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_little_is_refused() {
        let total = |bytes| FunctionLogOptions { total: Some(ByteSize(bytes)), ..Default::default() };
        assert!(total(caps::LEAST_BYTES).check().is_ok());
        assert!(total(1).check().unwrap_err().to_string().contains("function-logs-bytes"));
        let days = FunctionLogOptions { days: Some(0), ..Default::default() };
        assert!(days.check().unwrap_err().to_string().contains("function-logs-days"));
        let both = total(5).or(FunctionLogOptions { days: Some(7), ..total(6) });
        assert_eq!((both.total.map(|size| size.0), both.days), (Some(5), Some(7)));
    }
}
