//! TLS inside of pre-login packets: the handshake is framed, what follows it is not.

use std::io::{self, Error};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};

use super::packet::{HEADER, PRELOGIN};

/// The name of TDS in strict mode.
const ALPN: &[u8] = b"tds/8.0";

/// What accepts TLS with this certificate. Before TDS 8.0 it is TLS 1.2, as SQL Server has it: the
/// tickets that 1.3 sends behind the handshake would have no frame of their own.
pub(crate) fn acceptor(certificate: &Path, key: &Path, strict: bool) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate).map_err(Error::other)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(Error::other)?;
    let versions: &[_] =
        if strict { &[&version::TLS13, &version::TLS12] } else { &[&version::TLS12] };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .map_err(Error::other)?;
    let mut config =
        builder.with_no_client_auth().with_single_cert(chain, key).map_err(Error::other)?;
    if strict {
        config.alpn_protocols.push(ALPN.to_vec());
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A stream whose bytes travel in pre-login packets until the handshake is over.
#[derive(Debug)]
pub(crate) struct Framed<S> {
    stream: S,
    framing: bool,
    /// The header being read.
    header: Vec<u8>,
    /// Bytes of the packet still to be read.
    remaining: usize,
    /// What waits to be written.
    out: Vec<u8>,
}

impl<S> Framed<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, framing: true, header: Vec::new(), remaining: 0, out: Vec::new() }
    }

    /// The handshake is over.
    pub(crate) fn unframe(&mut self) {
        self.framing = false;
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Framed<S> {
    /// Writes out what waits.
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_header(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.remaining == 0 {
            let mut bytes = [0; HEADER];
            let wanted = HEADER - self.header.len();
            let mut buffer = ReadBuf::new(bytes.get_mut(..wanted).unwrap_or_default());
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.header.extend_from_slice(buffer.filled());
            if let [kind, _, high, low, _, _, _, _] = *self.header.as_slice() {
                if kind != PRELOGIN {
                    return Poll::Ready(Err(Error::other("a handshake outside of pre-login")));
                }
                let length = usize::from(u16::from_be_bytes([high, low]));
                self.remaining = length.saturating_sub(HEADER);
                self.header.clear();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.framing {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        ready!(this.poll_header(context))?;
        let mut limited = buffer.take(this.remaining);
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut limited))?;
        let read = limited.filled().len();
        this.remaining -= read;
        // They were filled through the limited view, and so are initialised.
        let filled = buffer.filled().len() + read;
        buffer.initialize_unfilled_to(read);
        buffer.set_filled(filled);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_out(context))?;
        if !this.framing {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        }
        let taken = std::cmp::min(bytes.len(), super::packet::FIRST_SIZE - HEADER);
        let [high, low] = u16::try_from(taken + HEADER).unwrap_or(0).to_be_bytes();
        this.out.extend([PRELOGIN, 1, high, low, 0, 0, 0, 0]);
        this.out.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        // What cannot go now goes with the next write or flush.
        if let Poll::Ready(Err(error)) = this.poll_out(context) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_out(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_out(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}
