//! `/metrics`, `/healthz`, `/readyz` and a status page, for Prometheus, orchestrators and people.
//!
//! - `/healthz`: the process answers and no source has stopped for good.
//! - `/readyz`: every source is connected, has claimed its stream and has been heard lately.
//! - `/`: one line per source.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::bridge::Board;
use crate::metrics::Metrics;
use crate::tasks;

/// Connections served at once; a scraper and a few probes need no more.
const CONNECTIONS: usize = 64;
/// A client that does not finish its request in this time is cut off.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

type Page = Response<Full<Bytes>>;

/// What the pages are made from.
#[derive(Clone)]
pub struct Pages {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// What every source is doing.
    pub board: Arc<Board>,
}

/// Opens the port.
///
/// # Errors
/// If the address cannot be bound.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until stopped.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            // A connection not yet accepted stays in the system's backlog.
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        match accepted {
            Ok((stream, _)) => {
                let pages = pages.clone();
                connections.spawn(async move {
                    connection(stream, pages).await;
                    drop(permit);
                });
            }
            // Out of file handles, most likely: wait for some to come free.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection(stream: TcpStream, pages: Pages) {
    let service = service_fn(move |request: Request<Incoming>| {
        let pages = pages.clone();
        async move { Ok::<_, Infallible>(answer(&request, &pages)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the status port ended early");
    }
}

fn answer(request: &Request<Incoming>, pages: &Pages) -> Page {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".into());
    }
    match request.uri().path() {
        "/metrics" => metrics(&pages.metrics),
        "/healthz" => health(&pages.board.stopped()),
        "/readyz" => health(&pages.board.not_ready()),
        "/" => text(StatusCode::OK, pages.board.page()),
        _ => text(StatusCode::NOT_FOUND, "there are /metrics /healthz /readyz /\n".into()),
    }
}

fn metrics(metrics: &Metrics) -> Page {
    match metrics.render() {
        Ok(body) => page(StatusCode::OK, "text/plain; version=0.0.4", body.into()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// `ok`, or one line per reason why not.
fn health(reasons: &[String]) -> Page {
    if reasons.is_empty() {
        return text(StatusCode::OK, "ok\n".into());
    }
    text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
}

fn text(status: StatusCode, body: String) -> Page {
    page(status, "text/plain; charset=utf-8", body.into())
}

fn page(status: StatusCode, content_type: &'static str, body: Bytes) -> Page {
    let mut page = Response::new(Full::new(body));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    page
}

/// Serves in a task of its own.
pub fn spawn(listener: TcpListener, pages: Pages, stop: CancellationToken) -> tasks::Task<()> {
    tasks::spawn("http", serve(listener, pages, stop))
}
