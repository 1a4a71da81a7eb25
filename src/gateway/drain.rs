//! What goes on by itself: the sweep for stalled streams and idle subscribers, and the way down.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Gateway;
use crate::{changes::Change, error::Error};

/// How often stalled streams and idle subscribers are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How often is looked for streams that are left.
const LOOK: Duration = Duration::from_millis(20);

/// How long sessions that are cut have to go, and streams to take their last envelopes.
const LAST_MOMENT: Duration = Duration::from_secs(1);

impl Gateway {
    /// Sweeps until told to stop.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = interval(self.sweep_interval());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sweeping = async {
            loop {
                tick.tick().await;
                self.sweep_once(Instant::now());
                self.usages.sweep();
            }
        };
        stop.run_until_cancelled(async { tokio::join!(sweeping, self.watch_pressure()) }).await;
    }

    fn sweep_interval(&self) -> Duration {
        let limits = self.limits.now();
        SWEEP.min(limits.stall_timeout / 4).min(limits.subscriber_idle_timeout / 4).max(Duration::from_millis(10))
    }

    fn sweep_once(&self, now: Instant) {
        for subscriber in self.subscribers.all() {
            let ended = subscriber.end_stalled(now);
            if ended > 0 {
                self.metrics.delivery.streams_stalled.add(ended as u64);
                tracing::warn!(subscriber = %subscriber.name(), ended, "streams ended: they read nothing while the backlog was full");
            }
        }
        for subscriber in self.subscribers.sweep(now) {
            tracing::debug!(subscriber = %subscriber.name(), "idle subscriber removed");
            self.registry.changes().publish(|| Change::SubscriberRemoved(subscriber.scoped_name()));
        }
    }

    /// Waits until no stream is attached and no call runs a task.
    pub async fn streams_gone(&self) {
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            let attached = self.subscribers.all().iter().any(|subscriber| subscriber.view().streams > 0);
            if !attached && self.registry.tasks() == 0 {
                return;
            }
        }
    }

    /// The way down: nothing new is opened, listeners close, what is queued is written, sessions end with FIN and `disconnected`,
    /// then every stream ends with SHUTTING_DOWN once it has taken its backlog. What is not done by the deadline is cut.
    pub async fn drain(&self, deadline: Instant) {
        self.registry.start_draining();
        let cut = deadline - LAST_MOMENT.min(deadline.duration_since(Instant::now()) / 4);
        if timeout_at(cut, self.registry.drained()).await.is_err() {
            tracing::warn!("sessions are left at the end of the shutdown timeout; they are cut");
            self.registry.abort_all();
            let _ = timeout_at(deadline, self.registry.drained()).await;
        }
        for subscriber in self.subscribers.all() {
            subscriber.end_streams(&Error::shutting_down(), true);
        }
    }
}
