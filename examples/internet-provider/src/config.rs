use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::caps;

/// What the application is told. [`Config::default`] gives the value named with each field.
#[derive(Clone, Debug)]
pub struct Config {
    /// The endpoint of every service, for example `http://127.0.0.1:4566`. `None`: `AWS_ENDPOINT_URL` or AWS itself.
    pub endpoint_url: Option<String>,
    /// The region. `None`: that of the environment or the profile, else `us-east-1`.
    pub region: Option<String>,
    /// Shards of each stream when it is created (2). An existing stream keeps its own.
    pub shards: u32,
    /// The runtime of the function (`python3.12`).
    pub runtime: String,
    /// The role of the function (`arn:aws:iam::000000000000:role/enrich-signup`).
    pub role_arn: String,
    /// Generated sign-ups per second at the start (5), 0 to [`caps::MAX_RATE`].
    pub rate: f64,
    /// Seed of the generator. `None`: another one in every run.
    pub seed: Option<u64>,
    /// Where the page is served (`127.0.0.1:0`: any free port).
    pub bind: SocketAddr,
    /// How far back the page shows the offers of earlier runs (15 min).
    pub history: Duration,
    /// How long the end of a run waits for offers that are still missing (60 s).
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            region: None,
            shards: 2,
            runtime: "python3.12".to_owned(),
            role_arn: "arn:aws:iam::000000000000:role/enrich-signup".to_owned(),
            rate: 5.0,
            seed: None,
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            history: Duration::from_mins(15),
            drain: Duration::from_mins(1),
        }
    }
}

/// A setting out of its bounds.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The rate is not within its bounds.
    #[error("the rate must be between 0 and {max} sign-ups per second, not {rate}", max = caps::MAX_RATE)]
    Rate {
        /// The rate that was asked for.
        rate: f64,
    },
    /// The number of shards is not within its bounds.
    #[error("the number of shards must be between 1 and {max}, not {shards}", max = caps::MAX_SHARDS)]
    Shards {
        /// The number that was asked for.
        shards: u32,
    },
}

impl Config {
    /// Checks what the types do not.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !(0.0..=caps::MAX_RATE).contains(&self.rate) {
            return Err(ConfigError::Rate { rate: self.rate });
        }
        if !(1..=caps::MAX_SHARDS).contains(&self.shards) {
            return Err(ConfigError::Shards { shards: self.shards });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_outside_the_bounds_are_refused() {
        for rate in [-1.0, caps::MAX_RATE + 1.0, f64::NAN, f64::INFINITY] {
            assert!(Config { rate, ..Config::default() }.validate().is_err(), "{rate}");
        }
        assert!(Config { rate: 0.0, ..Config::default() }.validate().is_ok());
        assert!(Config { shards: 0, ..Config::default() }.validate().is_err());
    }
}
