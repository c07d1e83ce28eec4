//! The server's certificate: a given one, or one of an authority of its own.
//!
//! The authority is made once and kept in the data directory, so that clients have to be told of it once. The certificate
//! is made anew at each start, for the names that the server has then, and is kept nowhere.

use crate::config::Storage;
use crate::tls_options::Tls as Wanted;
use anyhow::{Context, Result};
use millstream_front::Tls;
use millstream_host::{Clock, fs};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use std::path::Path;
use tempfile::TempDir;

/// Below the data directory.
const DIRECTORY: &str = "tls";
const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";
const AUTHORITY_YEARS: i32 = 20;
/// A server that runs for longer than this without a start is served better by a certificate that is given.
const CERTIFICATE_YEARS: i32 = 2;

/// What the front needs, and the directory of an authority that lasts as long as the server.
pub(crate) fn prepare(
    wanted: Option<&Wanted>,
    storage: &Storage,
    clock: &dyn Clock,
) -> Result<(Option<Tls>, Option<TempDir>)> {
    match wanted {
        None => Ok((None, None)),
        Some(Wanted::Given { cert, key }) => Ok((Some(given(cert, key)?), None)),
        Some(Wanted::SelfSigned { names, ca_file }) => {
            let (year, ..) = clock.now().civil();
            let year = i32::try_from(year).unwrap_or(2_000);
            let temporary = match storage {
                Storage::Memory => Some(tempfile::Builder::new().prefix("millstream-tls-").tempdir()?),
                Storage::Directory(_) => None,
            };
            let directory = match (storage, &temporary) {
                (Storage::Directory(data), _) => data.join(DIRECTORY),
                (Storage::Memory, Some(temporary)) => temporary.path().to_owned(),
                (Storage::Memory, None) => unreachable!("made above"),
            };
            let (authority, key) = authority(&directory, year)
                .with_context(|| format!("cannot make a certificate authority in {}", directory.display()))?;
            let tls = certificate(&key, names, year)?;
            let shown = ca_file.clone().unwrap_or_else(|| directory.join(AUTHORITY));
            if let Some(file) = ca_file {
                fs::write(file, authority.as_bytes())
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            tracing::info!(
                ca_file = %shown.display(),
                "TLS with a certificate of this server's own authority: name the file to clients in AWS_CA_BUNDLE (boto3, AWS \
                 CLI), NODE_EXTRA_CA_CERTS (Node.js) or SSL_CERT_FILE (Rust, Go)"
            );
            Ok((Some(tls), temporary))
        }
    }
}

/// The certificate and the key of these files, as they are now.
pub(crate) fn given(cert: &Path, key: &Path) -> Result<Tls> {
    let read = |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let tls = Tls::from_pem(&read(cert)?, &read(key)?);
    tls.with_context(|| format!("cannot use {} with {}", cert.display(), key.display()))
}

/// The authority's certificate and key, as they are in the directory or new.
fn authority(directory: &Path, year: i32) -> Result<(String, KeyPair)> {
    let (certificate_file, key_file) = (directory.join(AUTHORITY), directory.join(AUTHORITY_KEY));
    if certificate_file.is_file() && key_file.is_file() {
        let key = KeyPair::from_pem(&fs::read_to_string(&key_file)?);
        let key = key.with_context(|| {
            format!(
                "{} is damaged; remove it and {} to have new ones",
                key_file.display(),
                certificate_file.display()
            )
        })?;
        return Ok((fs::read_to_string(&certificate_file)?, key));
    }
    let key = KeyPair::generate()?;
    let mut parameters = authority_parameters();
    parameters.not_before = date_time_ymd(year - 1, 1, 1);
    parameters.not_after = date_time_ymd(year + AUTHORITY_YEARS, 1, 1);
    let certificate = parameters.self_signed(&key)?.pem();
    fs::create_dir_all(directory)?;
    // The certificate last: a key without one is made anew.
    fs::write_private(&key_file, key.serialize_pem().as_bytes())?;
    fs::write_durable(&certificate_file, certificate.as_bytes())?;
    Ok((certificate, key))
}

/// What the authority's certificate and the issuer in others have in common.
fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = named("Millstream development authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// A certificate for all names of this machine and `more`.
fn certificate(authority: &KeyPair, more: &[String], year: i32) -> Result<Tls> {
    let key = KeyPair::generate()?;
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(machine_name());
    names.extend_from_slice(more);
    names.dedup();
    let parameters = CertificateParams::new(names.clone());
    let mut parameters =
        parameters.with_context(|| format!("one of {} is no name for a certificate", names.join(", ")))?;
    parameters.distinguished_name = named("Millstream");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    parameters.not_before = date_time_ymd(year - 1, 1, 1);
    parameters.not_after = date_time_ymd(year + CERTIFICATE_YEARS, 12, 31);
    let issuer = Issuer::new(authority_parameters(), authority);
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok(Tls::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())?)
}

/// This machine's own name, where it can be one in a certificate.
fn machine_name() -> Option<String> {
    let name = fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).ok()?;
    let name = name.trim().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}
