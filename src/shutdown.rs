//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::tasks::{self, Task};

/// Listens for signals and cancels the returned token at the first.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn listen() -> std::io::Result<(CancellationToken, Task<()>)> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let task = tasks::spawn("signals", wait(terminate, interrupt, stop.clone()));
    Ok((stop, task))
}

async fn wait(mut terminate: Signal, mut interrupt: Signal, stop: CancellationToken) {
    either(&mut terminate, &mut interrupt).await;
    tracing::info!("stopping: draining what was read; a second signal ends at once");
    stop.cancel();
    either(&mut terminate, &mut interrupt).await;
    tracing::warn!("second signal, ending at once: nothing is lost, the next start reads back");
    std::process::exit(130);
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        // Signals are levels: a dropped wait loses none that the other branch would need.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
