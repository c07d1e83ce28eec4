//! The options of TLS, as an operator gives them.

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    /// A certificate authority of the server's own, for development: clients are told to trust its file
    SelfSigned,
    /// No TLS
    Off,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsOptions {
    /// Speak TLS with a certificate that the server makes for this machine; the file of its authority is named at the start
    #[arg(long = "tls", env = "MILLSTREAM_TLS", value_name = "MODE")]
    pub(crate) mode: Option<TlsMode>,

    /// Speak TLS with this certificate: PEM, followed by those that lead to its authority; --tls-key goes with it
    #[arg(long = "tls-cert", env = "MILLSTREAM_TLS_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// The private key of --tls-cert, PEM without a password
    #[arg(long = "tls-key", env = "MILLSTREAM_TLS_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// A further name or address for the certificate of --tls self-signed; it has localhost, 127.0.0.1, ::1 and this
    /// machine's name
    #[arg(long = "tls-name", env = "MILLSTREAM_TLS_NAME", value_name = "NAME", value_delimiter = ',')]
    pub(crate) names: Vec<String>,

    /// Write the authority's certificate of --tls self-signed to this file too
    #[arg(long = "tls-ca-file", env = "MILLSTREAM_TLS_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    SelfSigned { names: Vec<String>, ca_file: Option<PathBuf> },
    Given { cert: PathBuf, key: PathBuf },
}

impl TlsOptions {
    /// These, and those of `other` for what these do not say.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            mode: self.mode.or(other.mode),
            cert: self.cert.or(other.cert),
            key: self.key.or(other.key),
            names: if self.names.is_empty() { other.names } else { self.names },
            ca_file: self.ca_file.or(other.ca_file),
        }
    }

    pub(crate) fn resolve(self) -> Result<Option<Tls>> {
        let self_signed = self.mode == Some(TlsMode::SelfSigned);
        if !self_signed && (!self.names.is_empty() || self.ca_file.is_some()) {
            bail!("tls-name and tls-ca-file are for --tls self-signed only");
        }
        match (self.cert, self.key) {
            (Some(cert), Some(key)) => {
                ensure!(!self_signed, "--tls self-signed and --tls-cert exclude each other");
                Ok((self.mode != Some(TlsMode::Off)).then_some(Tls::Given { cert, key }))
            }
            (Some(_), None) => bail!("--tls-cert needs --tls-key: the private key of the certificate"),
            (None, Some(_)) => bail!("--tls-key needs --tls-cert: the certificate of the private key"),
            (None, None) => {
                Ok(self_signed.then_some(Tls::SelfSigned { names: self.names, ca_file: self.ca_file }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        let file = || Some(PathBuf::from("f"));
        let none = TlsOptions::default;
        assert_eq!(none().resolve().unwrap(), None);
        let given = TlsOptions { cert: file(), key: file(), ..none() };
        assert_eq!(given.clone().resolve().unwrap(), Some(Tls::Given { cert: "f".into(), key: "f".into() }));
        assert_eq!(TlsOptions { mode: Some(TlsMode::Off), ..given.clone() }.resolve().unwrap(), None);
        for (options, word) in [
            (TlsOptions { cert: file(), ..none() }, "--tls-key"),
            (TlsOptions { key: file(), ..none() }, "--tls-cert"),
            (TlsOptions { mode: Some(TlsMode::SelfSigned), ..given }, "exclude"),
            (TlsOptions { names: vec!["n".into()], ..none() }, "self-signed only"),
            (TlsOptions { ca_file: file(), ..none() }, "self-signed only"),
        ] {
            let error = options.resolve().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
