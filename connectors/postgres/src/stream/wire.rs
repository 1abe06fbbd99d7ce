//! Bytes to and from the server, cut into protocol messages.
//!
//! A message is `[tag u8][length i32][body]`. It is handed out as a slice of the receive buffer,
//! so that a row is copied once only: from there into its batch.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use erpbridge_connector::{SourceError, SourceErrorKind};
use postgres_protocol::message::{backend, frontend};
use sha2::{Digest, Sha256, Sha384, Sha512};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, SHA_1_WITH_RSA_ENCRYPTION,
    SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};

use crate::config::PostgresConfig;
use crate::{session, tls};

/// The receive buffer, while no message is larger. What one read brings is, behind a backlog, what
/// goes into one batch.
const BUFFER_BYTES: usize = 256 << 10;

/// What a message may hold beside a row: names and headers.
const MESSAGE_SLACK: usize = 64 << 10;

/// The tag and the length.
const HEADER_BYTES: usize = 5;

/// The server reads while it streams, so a message of ours that does not get through for so long
/// never will.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// A peer that vanished is noticed by the kernel after about a minute, even where our own
/// watchdog is off because the queue is full.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// What a connection needs of a socket.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One protocol message, still in the receive buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// A connection that speaks in protocol messages.
pub(super) struct Wire {
    socket: Box<dyn Duplex>,
    incoming: BytesMut,
    /// What the frame handed out last takes of `incoming`.
    taken: usize,
    outgoing: BytesMut,
    max_row_bytes: usize,
    /// What ties a SCRAM exchange to this TLS session.
    endpoint: Option<Vec<u8>>,
}

impl Wire {
    /// Connects and, if configured, encrypts. The caller sets the deadline.
    pub(super) async fn connect(config: &PostgresConfig) -> Result<Self, SourceError> {
        let tls = tls::client_config(&config.tls)?;
        if config.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", config.host, config.port);
            let socket = UnixStream::connect(path).await.map_err(|e| unreachable(config, e))?;
            return Ok(Self::new(Box::new(socket), None, config.max_row_bytes));
        }
        let host = (config.host.as_str(), config.port);
        let socket = TcpStream::connect(host).await.map_err(|e| unreachable(config, e))?;
        tune(&socket).map_err(|e| unreachable(config, e))?;
        match tls {
            None => Ok(Self::new(Box::new(socket), None, config.max_row_bytes)),
            Some(tls) => {
                let socket = encrypt(config, tls, socket).await?;
                let endpoint = endpoint(&socket);
                Ok(Self::new(Box::new(socket), endpoint, config.max_row_bytes))
            }
        }
    }

    fn new(socket: Box<dyn Duplex>, endpoint: Option<Vec<u8>>, max_row_bytes: usize) -> Self {
        Self {
            socket,
            incoming: BytesMut::with_capacity(BUFFER_BYTES),
            taken: 0,
            outgoing: BytesMut::new(),
            max_row_bytes,
            endpoint,
        }
    }

    /// The `tls-server-end-point` channel binding, where the certificate gives one.
    pub(super) fn endpoint(&self) -> Option<Vec<u8>> {
        self.endpoint.clone()
    }

    /// Reads once. Cancel-safe: what has been read is in the buffer.
    pub(super) async fn fill(&mut self) -> Result<(), SourceError> {
        self.release();
        if self.incoming.is_empty() && self.incoming.capacity() > 2 * BUFFER_BYTES {
            // One large row shall not keep its memory for ever.
            self.incoming = BytesMut::with_capacity(BUFFER_BYTES);
        }
        let missing =
            self.frame_bytes()?.map_or(0, |whole| whole.saturating_sub(self.incoming.len()));
        self.incoming.reserve(std::cmp::max(missing, BUFFER_BYTES / 2));
        match self.socket.read_buf(&mut self.incoming).await {
            Ok(0) => Err(closed()),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(closed()),
            Err(error) => Err(broken("read from the server").with_cause(error)),
        }
    }

    /// The next whole message, if one is buffered.
    pub(super) fn frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        self.release();
        match self.frame_bytes()? {
            Some(whole) if whole <= self.incoming.len() => self.taken = whole,
            _ => return Ok(None),
        }
        let frame = self.incoming.get(..self.taken).and_then(|message| message.split_first());
        Ok(frame.and_then(|(tag, rest)| Some(Frame { tag: *tag, body: rest.get(4..)? })))
    }

    /// The tag of the next message, if it is buffered as a whole.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, SourceError> {
        self.release();
        let whole = self.frame_bytes()?.filter(|whole| *whole <= self.incoming.len());
        Ok(whole.and_then(|_| self.incoming.first().copied()))
    }

    /// The next message that is not part of the stream, waiting for it. Notices and parameters
    /// come at any time and mean nothing here.
    pub(super) async fn message(&mut self) -> Result<backend::Message, SourceError> {
        loop {
            self.release();
            let whole = self.frame_bytes()?.filter(|whole| *whole <= self.incoming.len());
            let Some(whole) = whole else {
                self.fill().await?;
                continue;
            };
            let parsed = backend::Message::parse(&mut self.incoming.split_to(whole));
            match parsed.map_err(|error| undecodable().with_cause(error))? {
                Some(
                    backend::Message::NoticeResponse(_) | backend::Message::ParameterStatus(_),
                ) => {}
                Some(message) => return Ok(message),
                None => return Err(undecodable()),
            }
        }
    }

    /// Where our next message is written.
    pub(super) fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    /// Sends what has been written. If dropped in the middle the connection is of no more use.
    pub(super) async fn send(&mut self) -> Result<(), SourceError> {
        let Self { socket, outgoing, .. } = self;
        let sending = async {
            socket.write_all(outgoing).await?;
            socket.flush().await
        };
        tokio::time::timeout(WRITE_DEADLINE, sending)
            .await
            .map_err(|_| broken("send to the server: it has not read for 10 s"))?
            .map_err(|error| broken("send to the server").with_cause(error))?;
        self.outgoing.clear();
        Ok(())
    }

    /// Reads and forgets until the server closes.
    pub(super) async fn drain(&mut self) {
        self.taken = 0;
        loop {
            self.incoming.clear();
            self.incoming.reserve(BUFFER_BYTES);
            match self.socket.read_buf(&mut self.incoming).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn release(&mut self) {
        self.incoming.advance(std::mem::take(&mut self.taken));
    }

    /// How long the message at the front of the buffer is, header included.
    fn frame_bytes(&self) -> Result<Option<usize>, SourceError> {
        let header = self.incoming.get(..HEADER_BYTES).and_then(|header| header.last_chunk::<4>());
        let Some(length) = header else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| undecodable())?;
        if length < 4 {
            return Err(undecodable());
        }
        if length > self.max_row_bytes.saturating_add(MESSAGE_SLACK) {
            return Err(too_large(length, self.max_row_bytes));
        }
        Ok(Some(length + 1))
    }
}

fn tune(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

async fn encrypt(
    config: &PostgresConfig,
    tls: Arc<ClientConfig>,
    mut socket: TcpStream,
) -> Result<TlsStream<TcpStream>, SourceError> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    let answer = async {
        socket.write_all(&request).await?;
        // One byte exactly: whatever follows it unencrypted is not from the server.
        socket.read_u8().await
    };
    if answer.await.map_err(|error| unreachable(config, error))? != b'S' {
        let message = format!("connect to {}: the server does not support TLS", address(config));
        return Err(SourceError::new(SourceErrorKind::Setup, message).with_hint(
            "turn it on there (ssl = on), or set sslmode=disable where nobody can listen",
        ));
    }
    let name = ServerName::try_from(config.host.clone()).map_err(|error| {
        let message = format!("`{}` is not a name TLS can verify", config.host);
        SourceError::new(SourceErrorKind::Setup, message).with_cause(error)
    })?;
    let handshake = TlsConnector::from(tls).connect(name, socket).await;
    handshake.map_err(|error| refused_certificate(config, error))
}

/// A handshake cut short is the network; a refused certificate stays refused.
fn refused_certificate(config: &PostgresConfig, error: std::io::Error) -> SourceError {
    let kind = match error.kind() {
        std::io::ErrorKind::InvalidData => SourceErrorKind::Setup,
        _ => SourceErrorKind::Connection,
    };
    let message = format!("connect to {}: the TLS handshake failed", address(config));
    SourceError::new(kind, message).with_cause(error).with_hint(
        "give the file of the authority that issued the server's certificate as sslrootcert, and \
         connect by a name the certificate bears",
    )
}

/// The hash of the server's certificate (RFC 5929, section 4.1). A signature without a hash of
/// its own, such as Ed25519, gives none; SHA-1 is replaced by SHA-256.
fn endpoint(socket: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let certificate: &CertificateDer<'_> = socket.get_ref().1.peer_certificates()?.first()?;
    let algorithm = Certificate::from_der(certificate).ok()?.signature_algorithm.oid;
    Some(match algorithm {
        SHA_1_WITH_RSA_ENCRYPTION | SHA_256_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_256 => {
            Sha256::digest(certificate).to_vec()
        }
        SHA_384_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_384 => Sha384::digest(certificate).to_vec(),
        SHA_512_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_512 => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}

/// The code and the message of an error. Its detail is left out: details quote values of rows.
pub(super) fn code_and_message(body: &backend::ErrorResponseBody) -> (String, String) {
    use postgres_protocol::message::backend::ErrorField;
    let (mut code, mut message) = (String::new(), String::new());
    let mut fields = body.fields();
    while let Ok(Some(field)) = fallible_iterator::FallibleIterator::next(&mut fields) {
        let text =
            |field: &ErrorField<'_>| String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = text(&field),
            b'M' => message = text(&field),
            _ => {}
        }
    }
    (code, message)
}

/// What the server said in an error.
pub(super) fn server_error(body: &backend::ErrorResponseBody, doing: &str) -> SourceError {
    let (code, message) = code_and_message(body);
    let error = session::told(&code, &message, doing);
    match hint(&code) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What a person can do about an error of the server.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "42501" => "give the role what replication needs: ALTER ROLE … REPLICATION",
        "53300" => "raise max_wal_senders or max_connections on the server",
        "53400" => "raise max_replication_slots on the server, or drop a slot nobody uses",
        "42704" => {
            "create the publication; if it was created after the slot, drop the slot as well, \
             because the slot reads the log with the catalogue as it was when it was made"
        }
        _ => return None,
    })
}

fn address(config: &PostgresConfig) -> String {
    let PostgresConfig { host, port, database, user, .. } = config;
    format!("`{host}` port {port}, database `{database}`, as `{user}`")
}

/// Nobody answered within the time for connecting.
pub(super) fn timed_out(config: &PostgresConfig) -> SourceError {
    let within = config.connect_timeout;
    let message = format!("connect to {}: no answer within {within:.0?}", address(config));
    SourceError::new(SourceErrorKind::Connection, message)
        .with_hint("look whether a firewall drops packets to this address")
}

fn unreachable(config: &PostgresConfig, error: std::io::Error) -> SourceError {
    let message = format!("connect to {}", address(config));
    SourceError::new(SourceErrorKind::Connection, message).with_cause(error)
}

fn closed() -> SourceError {
    broken("the server closed the connection")
}

/// The connection is of no more use.
pub(super) fn broken(what: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Connection, what)
}

/// The bytes are not the protocol.
pub(super) fn undecodable() -> SourceError {
    SourceError::new(SourceErrorKind::Decode, "the server sent a message that cannot be read")
        .with_hint("look whether something other than PostgreSQL answers at this address")
}

fn too_large(found: usize, allowed: usize) -> SourceError {
    let message =
        format!("the server sends a message of {found} bytes; max_row_bytes is {allowed}");
    SourceError::new(SourceErrorKind::TooLarge, message)
        .with_hint("raise max_row_bytes, or leave the table out of the publication")
}

/// A connection to a server that a test plays.
#[cfg(test)]
pub(super) fn over(socket: tokio::io::DuplexStream, max_row_bytes: usize) -> Wire {
    Wire::new(Box::new(socket), None, max_row_bytes)
}
