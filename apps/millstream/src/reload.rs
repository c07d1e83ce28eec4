//! A given certificate is read anew when the process gets SIGHUP, as whoever renews certificates expects of a server.

use crate::interrupt::listen;
use crate::tls;
use crate::tls_options::Tls as Wanted;
use anyhow::{Context, Result};
use millstream_front::Tls;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind};
use tokio::task::{JoinHandle, spawn_blocking};

/// The task that does it, where a certificate is given; elsewhere SIGHUP ends the process, as ever. From here on it does not.
pub(crate) fn certificate(wanted: Option<&Wanted>, used: Option<&Tls>) -> Result<Option<JoinHandle<()>>> {
    let (Some(Wanted::Given { cert, key }), Some(used)) = (wanted, used) else { return Ok(None) };
    let hangup = listen(SignalKind::hangup())?;
    Ok(Some(tokio::spawn(reload(hangup, used.clone(), cert.clone(), key.clone()))))
}

async fn reload(mut hangup: Signal, used: Tls, cert: PathBuf, key: PathBuf) {
    while hangup.recv().await.is_some() {
        let files = (cert.clone(), key.clone());
        // A disk that hangs must not hold up who is served.
        let read = spawn_blocking(move || tls::given(&files.0, &files.1)).await;
        match read.context("reading it failed").flatten() {
            Ok(new) => {
                used.replace(&new);
                tracing::info!(certificate = %cert.display(), "the certificate was read anew: new connections see it");
            }
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "the certificate cannot be read anew, and the one from before stays"
            ),
        }
    }
}
