//! A server in the process of a test: in memory, on a free port of this machine, gone when it is dropped.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let server = millstream::testing::Millstream::start().await?;
//! let endpoint = server.endpoint(); // http://127.0.0.1:…: give it to any AWS SDK, with any credentials
//! # Ok(())
//! # }
//! ```

use crate::cli::{ServeArguments, Source, Sources};
use crate::config::Config;
use crate::server::Server;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A running server. Each has streams and functions of its own; many can run at once.
#[derive(Debug)]
pub struct Millstream {
    server: Option<Server>,
    endpoint: String,
}

impl Millstream {
    /// Start a server that keeps everything in memory. It takes some milliseconds.
    ///
    /// Streams need nothing else. Functions run in sandboxes that the program `millstream` sets up: `MILLSTREAM_BIN` names it,
    /// or it lies beside the test's own directory, as cargo puts it. Without it functions can be made and not invoked.
    ///
    /// # Errors
    /// When there is no free port or no temporary directory for function code. Call it within a Tokio runtime.
    pub async fn start() -> Result<Self> {
        let arguments = ServeArguments {
            bind: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            memory: true,
            sources: Sources { memory: Source::Flag, ..Sources::default() },
            ..ServeArguments::default()
        };
        let server = Server::start_with(&Config::load(arguments)?, program()).await;
        let server = server.context("cannot start a server for tests")?;
        Ok(Self { endpoint: server.endpoint().to_owned(), server: Some(server) })
    }

    /// The URL for an SDK's endpoint, or for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What a program needs in its environment to use this server and nothing else.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Stop in order, and wait until functions have ended. Dropping it stops too, without waiting.
    pub async fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}

impl Drop for Millstream {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abandon();
        }
    }
}

/// The program that sets up sandboxes. A test's own program cannot: started as one, it would run its tests.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("MILLSTREAM_BIN") {
        return PathBuf::from(named);
    }
    // target/debug/deps/TEST-HASH beside target/debug/millstream.
    let beside = std::env::current_exe().ok().and_then(|test| {
        let directories = test.ancestors().skip(1).take(2);
        directories.map(|directory| directory.join("millstream")).find(|program| program.is_file())
    });
    beside.unwrap_or_else(|| PathBuf::from("millstream (name it with MILLSTREAM_BIN)"))
}
