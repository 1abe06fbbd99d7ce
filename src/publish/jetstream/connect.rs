//! One connection, for one claim and what is published under it.
//!
//! A link is not mended. The client would reconnect by itself and send on in the middle of a
//! batch, and the answer to what was in flight would be lost with the old connection; so the first
//! sign of a lost connection ends the link, and the next claim makes a new one. What the old
//! client may still send from its buffers is harmless: it is either half a batch, which the server
//! drops, or it expects a last sequence. Stored before the next claim's message, the claim fails
//! and reads again; after it, the expectation is wrong and the server refuses it.

use std::sync::{Arc, Once};
use std::time::Duration;

use async_nats::rustls::crypto::ring;
use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, ServerError,
    Subscriber,
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::{Credentials, NatsConfig};
use super::refusal::{PubAck, Refusal, answer};
use crate::publish::{PublishError, PublishErrorKind};

/// How long to wait for one server to accept the connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long to wait for an answer that changes nothing.
const LOOK_DEADLINE: Duration = Duration::from_secs(2);
/// Answers wait here; there is one at a time.
const ANSWERS: usize = 64;

/// What the connection told beside the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Well,
    /// The server forbade a subject.
    Forbidden(String),
    Lost,
}

/// A connection with an inbox of its own.
pub(super) struct Link {
    client: Client,
    answers: Subscriber,
    inbox: String,
    asked: u64,
    health: watch::Receiver<Health>,
    patience: Duration,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects to one of the servers and opens the inbox.
    pub(super) async fn open(config: &NatsConfig, source: &str) -> Result<Self, PublishError> {
        let (health_to, health) = watch::channel(Health::default());
        let options = options(config, source).await?.event_callback(listen(health_to));
        let client = connect(config, options).await?;
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await.map_err(|error| {
            PublishError::new(PublishErrorKind::Connection, "cannot open the inbox for answers")
                .with_cause(error)
        })?;
        Ok(Self { client, answers, inbox, asked: 0, health, patience: config.publish_timeout })
    }

    /// What the server told about itself.
    pub(super) fn server(&self) -> async_nats::ServerInfo {
        self.client.server_info()
    }

    /// A name nobody else has, for batch ids.
    pub(super) fn name(&self) -> &str {
        self.inbox.strip_prefix("_INBOX.").unwrap_or(&self.inbox)
    }

    /// Whether the server's version is at least this.
    pub(super) fn is_at_least(&self, major: i64, minor: i64) -> bool {
        self.client.is_server_compatible(major, minor, 0)
    }

    /// When what begins now must be answered.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// Sends a message that is not answered.
    pub(super) async fn send(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let sent = self.client.publish_with_headers(subject.to_owned(), headers, payload);
        // Dropped at the deadline: whether the message went out is unknown, as with any error.
        match timeout_at(deadline, sent).await {
            Ok(sent) => sent.map_err(|error| unsent(subject, error)),
            Err(_) => Err(self.unanswered("cannot send to", subject)),
        }
    }

    /// Sends a message and waits for JetStream's answer to it.
    pub(super) async fn publish(
        &mut self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Result<PubAck, Refusal>, PublishError> {
        let message = self.exchange(subject, headers, payload, deadline).await?;
        Ok(answer(&message))
    }

    /// Asks JetStream's API for something that changes nothing. It is waited for only shortly: a
    /// question lost while a leader is elected is better asked again.
    pub(super) async fn look<T: for<'de> Deserialize<'de>>(
        &mut self,
        subject: &str,
        request: &impl Serialize,
    ) -> Result<Result<T, Refusal>, PublishError> {
        let deadline = Instant::now() + std::cmp::min(self.patience, LOOK_DEADLINE);
        self.request(subject, request, deadline).await
    }

    /// Asks JetStream's API.
    pub(super) async fn ask<T: for<'de> Deserialize<'de>>(
        &mut self,
        subject: &str,
        request: &impl Serialize,
    ) -> Result<Result<T, Refusal>, PublishError> {
        let deadline = self.deadline();
        self.request(subject, request, deadline).await
    }

    async fn request<T: for<'de> Deserialize<'de>>(
        &mut self,
        subject: &str,
        request: &impl Serialize,
        deadline: Instant,
    ) -> Result<Result<T, Refusal>, PublishError> {
        let payload = serde_json::to_vec(request).expect("a request is text and numbers");
        let subject = format!("$JS.API.{subject}");
        let message = self.exchange(&subject, HeaderMap::new(), payload.into(), deadline).await?;
        Ok(answer(&message))
    }

    /// One question at a time (`&mut self`), so that answers cannot be mixed up.
    async fn exchange(
        &mut self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Message, PublishError> {
        self.asked += 1;
        let reply = format!("{}.{}", self.inbox, self.asked);
        let (to, back) = (subject.to_owned(), reply.clone());
        let sent = async {
            if headers.is_empty() {
                self.client.publish_with_reply(to, back, payload).await
            } else {
                self.client.publish_with_reply_and_headers(to, back, headers, payload).await
            }
        };
        match timeout_at(deadline, sent).await {
            Ok(sent) => sent.map_err(|error| unsent(subject, error))?,
            Err(_) => return Err(self.unanswered("cannot send to", subject)),
        }
        let mut health = self.health.clone();
        let answers = &mut self.answers;
        let answer = async {
            loop {
                tokio::select! {
                    // An answer already received is not lost to news about the connection.
                    biased;
                    message = answers.next() => match message {
                        // Answers to questions given up earlier are passed over.
                        Some(message) if *message.subject == *reply => return Some(message),
                        Some(_) => {}
                        None => return None,
                    },
                    // Cancel safe: it only looks.
                    _ = health.wait_for(|health| *health != Health::Well) => return None,
                }
            }
        };
        match timeout_at(deadline, answer).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) | Err(_) => Err(self.unanswered("no answer on", subject)),
        }
    }

    /// Why no answer came, as far as the connection told.
    fn unanswered(&self, tried: &str, subject: &str) -> PublishError {
        let health = self.health.borrow().clone();
        match health {
            Health::Forbidden(told) => PublishError::new(
                PublishErrorKind::Denied,
                format!("{tried} \"{subject}\": the server answered \"{told}\""),
            )
            .with_hint("grant the NATS user the permissions listed in docs/nats.md"),
            Health::Lost => PublishError::new(
                PublishErrorKind::Connection,
                format!("{tried} \"{subject}\": the connection was lost"),
            ),
            Health::Well => PublishError::new(
                PublishErrorKind::Connection,
                format!("{tried} \"{subject}\" in time"),
            ),
        }
    }
}

async fn connect(config: &NatsConfig, options: ConnectOptions) -> Result<Client, PublishError> {
    // Each server is waited for by itself; this bounds resolving their names as well.
    let tries = u32::try_from(config.servers.len()).unwrap_or(u32::MAX).saturating_add(1);
    match timeout(CONNECT_DEADLINE.saturating_mul(tries), options.connect(&config.servers)).await {
        Ok(connected) => connected.map_err(|error| refused(config, error)),
        Err(_) => Err(refused(config, ConnectErrorKind::TimedOut.into())),
    }
}

fn unsent(subject: &str, error: async_nats::PublishError) -> PublishError {
    use async_nats::client::PublishErrorKind as Kind;
    let kind = match error.kind() {
        Kind::Send => PublishErrorKind::Connection,
        Kind::MaxPayloadExceeded | Kind::InvalidSubject => PublishErrorKind::Setup,
    };
    PublishError::new(kind, format!("cannot send to \"{subject}\"")).with_cause(error)
}

/// Turns the client's events into health. The first bad news stays.
fn listen(
    health: watch::Sender<Health>,
) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
    let health = Arc::new(health);
    move |event| {
        let news = match event {
            Event::Disconnected | Event::Closed => Some(Health::Lost),
            Event::ServerError(ServerError::AuthorizationViolation) => {
                Some(Health::Forbidden("authorization violation".to_owned()))
            }
            Event::ServerError(ServerError::Other(told))
                if told.to_ascii_lowercase().contains("permissions violation") =>
            {
                Some(Health::Forbidden(told))
            }
            _ => None,
        };
        if let Some(news) = news {
            health.send_if_modified(|health| {
                let first = *health == Health::Well;
                if first {
                    *health = news;
                }
                first
            });
        }
        std::future::ready(())
    }
}

/// Names the provider of cryptography, because a process that links two has no default one, and the
/// client asks for it. An error says that somebody has named one already, and any will do.
fn provide() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(ring::default_provider().install_default()));
}

async fn options(config: &NatsConfig, source: &str) -> Result<ConnectOptions, PublishError> {
    provide();
    let options = log_in(config).await?;
    let options = options
        .name(format!("erpbridge {source}"))
        .connection_timeout(CONNECT_DEADLINE)
        .subscription_capacity(ANSWERS)
        .require_tls(config.tls.required);
    let options = match &config.tls.ca_file {
        Some(file) => options.add_root_certificates(file.clone()),
        None => options,
    };
    Ok(match (&config.tls.cert_file, &config.tls.key_file) {
        (Some(certificate), Some(key)) => {
            options.add_client_certificate(certificate.clone(), key.clone())
        }
        _ => options,
    })
}

async fn log_in(config: &NatsConfig) -> Result<ConnectOptions, PublishError> {
    let options = ConnectOptions::new();
    Ok(match &config.credentials {
        Credentials::None => options,
        Credentials::Token(token) => options.token(token.clone()),
        Credentials::UserPassword { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        Credentials::CredsFile(path) => {
            let options = options.credentials_file(path).await;
            options.map_err(|error| unreadable("credentials", path, error))?
        }
        Credentials::NkeySeedFile(path) => {
            let seed = tokio::fs::read_to_string(path).await;
            let seed = seed.map_err(|error| unreadable("NKey seed", path, error))?;
            options.nkey(seed.trim().to_owned())
        }
    })
}

fn unreadable(what: &str, path: &std::path::Path, error: std::io::Error) -> PublishError {
    PublishError::new(
        PublishErrorKind::Denied,
        format!("cannot read the {what} in \"{}\"", path.display()),
    )
    .with_hint("check that the file is there and readable for the bridge's user")
    .with_cause(error)
}

/// Why the server did not let us in.
fn refused(config: &NatsConfig, error: ConnectError) -> PublishError {
    let servers: Vec<_> = config.servers.iter().map(|server| without_login(server)).collect();
    let tried = format!("cannot connect to \"{}\"", servers.join("\", \""));
    let (kind, hint) = match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => (
            PublishErrorKind::Denied,
            Some("check `nats.credentials`: the server does not let this user in"),
        ),
        ConnectErrorKind::ServerParse => (
            PublishErrorKind::Setup,
            Some("write each entry of `nats.servers` as nats://host:port or tls://host:port"),
        ),
        ConnectErrorKind::Tls => (
            PublishErrorKind::Setup,
            Some("check `nats.tls`: certificate authority, host name and client certificate"),
        ),
        _ => (PublishErrorKind::Connection, None),
    };
    let refused = PublishError::new(kind, tried).with_cause(error);
    match hint {
        Some(hint) => refused.with_hint(hint),
        None => refused,
    }
}

/// An address as it may be shown: without the user and password it may carry.
fn without_login(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("nats", server));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(without_login("tls://user:pass@host:4222"), "tls://host:4222");
        assert_eq!(without_login("host:4222"), "nats://host:4222");
    }
}
