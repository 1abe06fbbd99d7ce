//! A TCP proxy that fails on command, between the bridge and a server.
//!
//! ```text
//! client ──up──▶ proxy ──up──▶ server
//!        ◀─down─       ◀─down─
//! ```
//!
//! Faults hold for connections that exist and for those to come, until they are healed.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::failure::Tried;
use crate::tasks::{self, Task};
use crate::{Port, Result};

const BUFFER: usize = 64 * 1024;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What is wrong with the connection just now.
#[derive(Clone, Debug, Default)]
struct Faults {
    refuse: bool,
    stall_up: bool,
    stall_down: bool,
    delay: Duration,
    /// Bytes still let through on this way, over all connections, before all are cut.
    cut_after: Option<(Way, usize)>,
    /// Raised to cut every connection that exists.
    cuts: u64,
}

impl Faults {
    fn stalls(&self, way: Way) -> bool {
        match way {
            Way::Up => self.stall_up,
            Way::Down => self.stall_down,
        }
    }

    /// Takes `wanted` bytes from what may still pass and returns how many do.
    fn admit(&mut self, way: Way, wanted: usize) -> usize {
        match &mut self.cut_after {
            Some((limited, left)) if *limited == way => {
                let admitted = std::cmp::min(wanted, *left);
                *left -= admitted;
                admitted
            }
            _ => wanted,
        }
    }

    /// Cuts all connections if the bytes that might pass have passed.
    fn cut_if_spent(&mut self) {
        if matches!(self.cut_after, Some((_, 0))) {
            self.cut_after = None;
            self.cuts += 1;
        }
    }
}

/// A proxy in front of one server; its port closes on drop.
#[derive(Debug)]
pub struct Proxy {
    faults: Arc<watch::Sender<Faults>>,
    _listening: Task,
    port: Port,
}

impl Proxy {
    /// Listens on a port of its own and passes everything to `server` (`127.0.0.1:<port>`).
    pub async fn start(server: &str) -> Result<Self> {
        let port = Port::reserve()?;
        let address = port.address();
        let listener = TcpListener::bind(&address)
            .await
            .tried(format_args!("cannot listen on \"{address}\""))?;
        let faults = Arc::new(watch::Sender::new(Faults::default()));
        let listening = tasks::start(listen(listener, server.to_owned(), Arc::clone(&faults)));
        Ok(Self { faults, _listening: listening, port })
    }

    /// `127.0.0.1:<port>`, for clients.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// The port on 127.0.0.1, for clients.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Resets every connection that exists; new ones pass.
    pub fn cut(&self) {
        self.faults.send_modify(|faults| faults.cuts += 1);
    }

    /// Resets every connection, and each new one at once.
    pub fn refuse(&self) {
        self.faults.send_modify(|faults| {
            faults.refuse = true;
            faults.cuts += 1;
        });
    }

    /// Holds all bytes on this way, without closing anything.
    pub fn stall(&self, way: Way) {
        self.faults.send_modify(|faults| match way {
            Way::Up => faults.stall_up = true,
            Way::Down => faults.stall_down = true,
        });
    }

    /// Holds all bytes on both ways: a cable pulled out.
    pub fn stall_both(&self) {
        self.stall(Way::Up);
        self.stall(Way::Down);
    }

    /// Lets exactly `bytes` more through on this way, then cuts every connection, once.
    pub fn cut_after(&self, way: Way, bytes: usize) {
        self.faults.send_modify(|faults| faults.cut_after = Some((way, bytes)));
    }

    /// Delays every piece of data on both ways.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|faults| faults.delay = delay);
    }

    /// Takes all faults away; held bytes go on.
    pub fn heal(&self) {
        self.faults.send_modify(|faults| {
            *faults = Faults { cuts: faults.cuts, ..Faults::default() };
        });
    }
}

async fn listen(listener: TcpListener, server: String, faults: Arc<watch::Sender<Faults>>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if faults.borrow().refuse {
            reset(&client);
        } else {
            connections.spawn(connection(client, server.clone(), Arc::clone(&faults)));
        }
    }
}

async fn connection(mut client: TcpStream, server: String, faults: Arc<watch::Sender<Faults>>) {
    let mut state = faults.subscribe();
    let cuts = state.borrow().cuts;
    let Ok(mut server) = TcpStream::connect(&server).await else { return reset(&client) };
    for stream in [&client, &server] {
        // Fails only on a dead socket, which the first read reports.
        drop(stream.set_nodelay(true));
    }
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let up = pump(client_read, server_write, Way::Up, &faults);
    let down = pump(server_read, client_write, Way::Down, &faults);
    let cut = tokio::select! {
        // What the pumps hold at that moment is lost, which is what a cut is.
        _ = state.wait_for(|faults| faults.cuts != cuts) => true,
        _ = async { tokio::join!(up, down) } => false,
    };
    if cut {
        reset(&client);
        reset(&server);
    }
}

/// Makes the coming close an abort: the peer sees a reset, unsent bytes are lost.
fn reset(stream: &TcpStream) {
    drop(stream.set_zero_linger());
}

/// Passes bytes one way until the sender closes; then closes that way and no more.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
    faults: &watch::Sender<Faults>,
) {
    let mut state = faults.subscribe();
    let mut buffer = vec![0; BUFFER];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let delay = state.borrow().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if state.wait_for(|faults| !faults.stalls(way)).await.is_err() {
            return;
        }
        let data = buffer.get(..admit(faults, way, read)).unwrap_or_default();
        if to.write_all(data).await.is_err() {
            break;
        }
        // Only now: what was admitted has passed before the cut.
        faults.send_if_modified(|faults| {
            let before = faults.cuts;
            faults.cut_if_spent();
            faults.cuts != before
        });
        if data.len() < read {
            // What follows a piece that did not pass must not pass either; the cut ends this.
            std::future::pending::<()>().await;
        }
    }
    // The other end may be gone already.
    drop(to.shutdown().await);
}

fn admit(faults: &watch::Sender<Faults>, way: Way, wanted: usize) -> usize {
    let mut admitted = wanted;
    faults.send_if_modified(|faults| {
        admitted = faults.admit(way, wanted);
        false
    });
    admitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);
    const A_WHILE: Duration = Duration::from_millis(100);

    /// A server that sends everything back.
    async fn echo() -> (Port, Task) {
        let port = Port::reserve().unwrap();
        let listener = TcpListener::bind(port.address()).await.unwrap();
        let task = tasks::start(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        (port, task)
    }

    async fn proxied() -> (Proxy, Task) {
        let (port, server) = echo().await;
        (Proxy::start(&port.address()).await.unwrap(), server)
    }

    async fn connected(proxy: &Proxy) -> TcpStream {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, "hello").await.unwrap(), "hello");
        stream
    }

    async fn say(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
        stream.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        timeout(SOON, stream.read_exact(&mut answer)).await??;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[tokio::test]
    async fn a_cut_resets_what_exists_and_lets_new_connections_pass() {
        let (proxy, _server) = proxied().await;
        let mut old = connected(&proxy).await;
        proxy.cut();
        assert!(say(&mut old, "still there?").await.is_err());
        connected(&proxy).await;
    }

    #[tokio::test]
    async fn a_refusing_proxy_answers_nobody_until_it_is_healed() {
        let (proxy, _server) = proxied().await;
        let mut old = connected(&proxy).await;
        proxy.refuse();
        assert!(say(&mut old, "still there?").await.is_err());
        if let Ok(mut new) = TcpStream::connect(proxy.address()).await {
            assert!(say(&mut new, "hello").await.is_err());
        }
        proxy.heal();
        connected(&proxy).await;
    }

    #[tokio::test]
    async fn a_stall_holds_the_bytes_of_its_way_and_healing_lets_them_go() {
        for way in [Way::Up, Way::Down] {
            let (proxy, _server) = proxied().await;
            let mut stream = connected(&proxy).await;
            proxy.stall(way);
            stream.write_all(b"held").await.unwrap();
            let mut answer = [0; 4];
            assert!(timeout(A_WHILE, stream.read_exact(&mut answer)).await.is_err(), "{way:?}");
            proxy.heal();
            timeout(SOON, stream.read_exact(&mut answer)).await.unwrap().unwrap();
            assert_eq!(&answer, b"held");
        }
    }

    #[tokio::test]
    async fn cut_after_lets_exactly_that_many_bytes_through_once() {
        let (proxy, _server) = proxied().await;
        let mut stream = connected(&proxy).await;
        proxy.cut_after(Way::Down, 6);
        stream.write_all(b"0123456789").await.unwrap();
        let mut answer = Vec::new();
        // It ends with a reset or an end of file; what came before counts.
        drop(timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap());
        assert_eq!(answer, b"012345");
        connected(&proxy).await;
    }

    #[tokio::test]
    async fn a_delay_delays() {
        let (proxy, _server) = proxied().await;
        let mut stream = connected(&proxy).await;
        proxy.delay(A_WHILE);
        let begun = tokio::time::Instant::now();
        say(&mut stream, "slow").await.unwrap();
        assert!(begun.elapsed() >= 2 * A_WHILE);
    }

    #[tokio::test]
    async fn a_large_answer_after_a_half_close_arrives_whole() {
        let (proxy, _server) = proxied().await;
        let mut stream = connected(&proxy).await;
        let text = vec![b'x'; 4 << 20];
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        let sent = async {
            write.write_all(&text).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let (received, ()) = tokio::join!(timeout(SOON, read.read_to_end(&mut answer)), sent);
        assert_eq!(received.unwrap().unwrap(), text.len());
    }

    #[tokio::test]
    async fn a_dropped_proxy_closes_its_port_and_connections() {
        let (proxy, _server) = proxied().await;
        let mut stream = connected(&proxy).await;
        let address = proxy.address();
        drop(proxy);
        assert!(say(&mut stream, "still there?").await.is_err());
        assert!(TcpStream::connect(address).await.is_err());
    }
}
