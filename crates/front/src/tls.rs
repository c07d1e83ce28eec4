use crate::caps;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// A certificate and how it is spoken for. Cheap to clone; clones share the certificate, also when it is replaced.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate is not in PEM form (-----BEGIN CERTIFICATE-----)")]
    Certificate(#[source] pem::Error),
    #[error("there is no certificate in it (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    #[error(
        "there is no private key in PEM form (-----BEGIN PRIVATE KEY-----); one with a password cannot be read"
    )]
    Key(#[source] pem::Error),
    #[error("the certificate and the private key cannot be used together: {0}")]
    Pair(rustls::Error),
}

impl Tls {
    /// From PEM: the server's certificate, followed by those that lead to its authority, and its private key.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Pair)?;
        // Clients that offer neither are served too: HTTP/2 tells itself from HTTP/1.1 by its first bytes, and older Java
        // SDKs rely on that.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(RwLock::new(Arc::new(config))) })
    }

    /// Handshakes that begin from now on use the certificate of `new`. Connections that there are stay as they are, and none
    /// of their sessions is resumed: who comes back sees the new certificate.
    pub fn replace(&self, new: &Self) {
        let new = new.current();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    fn current(&self) -> Arc<ServerConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The handshake of a connection; `None` if it came to nothing. Who speaks plain HTTP is told so.
    pub(crate) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Option<TlsStream<Begun<S>>> {
        let greeted = tokio::time::timeout(caps::HANDSHAKE, self.handshake(stream)).await;
        match greeted {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long and its connection is closed");
                None
            }
        }
    }

    async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
    ) -> io::Result<TlsStream<Begun<S>>> {
        let first = stream.read_u8().await?;
        if first != HANDSHAKE_RECORD {
            stream.write_all(PLAIN.as_bytes()).await?;
            stream.shutdown().await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
        }
        TlsAcceptor::from(self.current()).accept(Begun { first: Some(first), stream }).await
    }
}

/// The first byte of every TLS connection (RFC 8446, section 5.1). No HTTP begins with it.
const HANDSHAKE_RECORD: u8 = 22;

/// A stream whose first byte has been looked at.
#[derive(Debug)]
pub(crate) struct Begun<S> {
    first: Option<u8>,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What a client hears that speaks HTTP where TLS is spoken. AWS's error form, so that SDKs show it.
const PLAIN: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 113\r\n\
                     Connection: close\r\n\r\n\
                     {\"__type\":\"ValidationException\",\"message\":\"This port speaks TLS: use https:// in the endpoint \
                     URL, not http://.\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plain_client_hears_has_its_length() {
        let (head, body) = PLAIN.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["__type"], "ValidationException");
    }

    #[test]
    fn what_is_no_certificate_is_said() {
        assert!(matches!(Tls::from_pem(b"", b""), Err(TlsError::NoCertificate)));
        let text = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(Tls::from_pem(text, b"no key"), Err(TlsError::Key(_))));
    }
}
