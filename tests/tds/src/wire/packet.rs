//! Packets: an eight-byte header with the length, then a piece of a message.

use std::io::{Error, Result};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::fault::Effect;

/// How long a packet's header is.
pub(crate) const HEADER: usize = 8;
/// The packet size before the login agrees on one.
pub(crate) const FIRST_SIZE: usize = 4096;

/// The kinds of messages a client sends, and that of every answer.
pub(crate) const BATCH: u8 = 0x01;
pub(crate) const RPC: u8 = 0x03;
pub(crate) const REPLY: u8 = 0x04;
pub(crate) const ATTENTION: u8 = 0x06;
pub(crate) const LOGIN: u8 = 0x10;
pub(crate) const PRELOGIN: u8 = 0x12;

/// A whole message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
}

/// Reads the packets of one message.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Message> {
    let mut body = Vec::new();
    loop {
        let mut header = [0; HEADER];
        from.read_exact(&mut header).await?;
        let [kind, status, high, low, ..] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let length = length.checked_sub(HEADER).ok_or_else(|| Error::other("a short packet"))?;
        let begin = body.len();
        body.resize(begin + length, 0);
        from.read_exact(body.get_mut(begin..).unwrap_or_default()).await?;
        if status & 1 == 1 {
            return Ok(Message { kind, body });
        }
    }
}

/// Writes a message in packets, with the fault that is laid on it.
pub(crate) struct Writer<'w, W> {
    to: &'w mut W,
    size: usize,
    pending: Vec<u8>,
    number: u8,
    /// Bytes that went out, headers included.
    sent: usize,
    fault: Option<Effect>,
}

impl<'w, W: AsyncWrite + Unpin> Writer<'w, W> {
    pub(crate) fn new(to: &'w mut W, size: usize, fault: Option<Effect>) -> Self {
        Self { to, size, pending: Vec::new(), number: 1, sent: 0, fault }
    }

    /// Adds to the message; whole packets go out.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        while self.pending.len() > self.size - HEADER {
            let rest = self.pending.split_off(self.size - HEADER);
            let packet = std::mem::replace(&mut self.pending, rest);
            self.packet(&packet, 0).await?;
        }
        Ok(())
    }

    /// Ends the message.
    pub(crate) async fn finish(mut self) -> Result<()> {
        let packet = std::mem::take(&mut self.pending);
        self.packet(&packet, 1).await?;
        self.to.flush().await
    }

    async fn packet(&mut self, body: &[u8], status: u8) -> Result<()> {
        let length = u16::try_from(body.len() + HEADER).map_err(Error::other)?;
        let [high, low] = length.to_be_bytes();
        let mut packet = vec![REPLY, status, high, low, 0, 52, self.number, 0];
        packet.extend_from_slice(body);
        self.number = self.number.wrapping_add(1);
        self.out(&packet).await
    }

    async fn out(&mut self, bytes: &[u8]) -> Result<()> {
        let (at, pause) = match self.fault {
            Some(Effect::CutAfter(at)) => (at, None),
            Some(Effect::SplitAfter(at, pause)) => (at, Some(pause)),
            _ => (usize::MAX, None),
        };
        let before = self.sent;
        self.sent += bytes.len();
        if at < before || at >= self.sent {
            return self.to.write_all(bytes).await;
        }
        let (first, second) = bytes.split_at(at - before);
        self.to.write_all(first).await?;
        self.to.flush().await?;
        self.fault = None;
        let Some(pause) = pause else { return Err(Error::other("cut by a fault")) };
        sleep(pause).await;
        self.to.write_all(second).await
    }
}

async fn sleep(pause: Duration) {
    tokio::time::sleep(pause).await;
}
