//! SIGTERM and SIGINT: the first asks for an orderly end, the second for an end at once.

use std::{convert::Infallible, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Both signals, caught from when this was made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Passes signals on for as long as it is polled.
    pub(super) async fn pass_on(mut self, stop: &CancellationToken, kill: &CancellationToken) -> Infallible {
        loop {
            let name = self.next().await;
            if stop.is_cancelled() {
                tracing::warn!(signal = name, "ending at once: what is open is cut");
                kill.cancel();
            } else {
                tracing::info!(signal = name, "stopping: sessions are closed in order; a second signal ends at once");
                stop.cancel();
            }
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
