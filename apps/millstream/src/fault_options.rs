//! Faults for tests of clients, as an operator gives them.

use anyhow::{Error, Result, ensure};
use clap::Args;
use millstream_front::{Fault, Faults};
use millstream_host::entropy;

#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Faults, for tests of clients")]
pub(crate) struct FaultOptions {
    /// Let requests go wrong: OPERATION=throttle:P, OPERATION=error:P, OPERATION=latency:TIME:P or
    /// PutRecords=throttle-records:P, where * is every operation and P a probability from 0 to 1; may be given several times.
    /// "off" is none for now, to be set at /_millstream/faults
    #[arg(long = "fault", env = "MILLSTREAM_FAULT", value_name = "FAULT", value_delimiter = ',')]
    pub(crate) faults: Vec<String>,

    /// Draw the same faults again for the same requests in the same order [default: another one at each start, in the log]
    #[arg(long = "fault-seed", env = "MILLSTREAM_FAULT_SEED", value_name = "N")]
    pub(crate) seed: Option<u64>,
}

const OFF: &str = "off";

impl FaultOptions {
    /// These, or if they name no fault, those of `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            faults: if self.faults.is_empty() { other.faults } else { self.faults },
            seed: self.seed.or(other.seed),
        }
    }

    /// What is wrong with them keeps the server from starting.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.seed.is_none() || !self.faults.is_empty(), "fault-seed is of no use without a fault");
        self.parsed().map(drop)
    }

    fn parsed(&self) -> Result<Vec<Fault>> {
        let parse = |text: &String| text.parse().map_err(Error::msg);
        self.faults.iter().filter(|text| *text != OFF).map(parse).collect()
    }

    /// Nothing, unless faults were asked for.
    pub(crate) fn open(&self) -> Result<Option<Faults>> {
        if self.faults.is_empty() {
            return Ok(None);
        }
        let seed = self.seed.unwrap_or_else(entropy::u64);
        let faults = Faults::new(self.parsed()?, seed).map_err(Error::msg)?;
        tracing::warn!(
            faults = faults.describe(),
            seed,
            "this server injects faults, as asked: requests fail or wait by chance. It is for tests of clients alone"
        );
        Ok(Some(faults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(faults: &[&str], seed: Option<u64>) -> FaultOptions {
        FaultOptions { faults: faults.iter().map(|text| (*text).to_owned()).collect(), seed }
    }

    #[test]
    fn faults_are_checked_before_the_start() {
        assert!(options(&[], None).check().is_ok());
        assert!(options(&[], None).open().unwrap().is_none());
        assert!(options(&["off"], Some(1)).check().is_ok());
        assert_eq!(options(&["off"], Some(1)).open().unwrap().unwrap().describe(), "none for now");
        let two =
            options(&["PutRecords=throttle:0.1", "*=latency:5ms:0.5"], Some(7)).open().unwrap().unwrap();
        assert_eq!((two.describe().as_str(), two.seed()), ("PutRecords=throttle:0.1, *=latency:5ms:0.5", 7));
        for (bad, words) in
            [(options(&["PutRecords=throttle"], None), "no fault"), (options(&[], Some(1)), "fault-seed")]
        {
            assert!(bad.check().unwrap_err().to_string().contains(words));
        }
    }

    #[test]
    fn flags_replace_what_the_file_says() {
        let file = options(&["*=error:1"], Some(1));
        assert_eq!(options(&["off"], None).or(file.clone()), options(&["off"], Some(1)));
        assert_eq!(FaultOptions::default().or(file.clone()), file);
    }
}
