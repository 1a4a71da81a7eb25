//! The watch over what may become too much although each part of it is within its bounds: all backlogs together, each identity's, and
//! memory. Too much of any of them pauses reading; what lives is kept.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use super::Gateway;
use crate::{memory, quota::Usage};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);

impl Gateway {
    /// Looks again and again.
    pub(super) async fn watch_pressure(&self) {
        let cgroup = memory::bound();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let eased = [self.look_at_backlogs(), self.look_at_memory(cgroup)];
            if eased.contains(&true) {
                for subscriber in self.subscribers.all() {
                    subscriber.release();
                }
            }
        }
    }

    /// True: something was too much, and is not any more.
    fn look_at_backlogs(&self) -> bool {
        let mut all = 0;
        let mut own: HashMap<*const Usage, (Arc<Usage>, usize)> = HashMap::new();
        for subscriber in self.subscribers.all() {
            let (held, usage) = subscriber.held();
            all += held;
            if let Some(usage) = usage {
                own.entry(Arc::as_ptr(&usage)).or_insert((usage, 0)).1 += held;
            }
        }
        let mut eased = false;
        for (usage, held) in own.into_values() {
            eased |= usage.backlog.update(held, usage.quota().backlog_bytes);
        }
        let was = self.pressure.backlog.is_too_much();
        eased |= self.pressure.backlog.update(all, self.limits.now().backlog_bytes);
        if !was && self.pressure.backlog.is_too_much() {
            tracing::warn!(
                bytes = all,
                "the backlogs of all subscribers reach limits.backlog_bytes: reading pauses until half is delivered"
            );
        }
        eased
    }

    /// True: reading had to pause, and may go on.
    fn look_at_memory(&self, cgroup: Option<u64>) -> bool {
        let limits = self.limits.now();
        let bound = if limits.memory_bytes > 0 { Some(limits.memory_bytes as u64) } else { cgroup };
        let percent = match (bound, memory::resident()) {
            (Some(bound), Some(resident)) => resident.saturating_mul(100) / bound.max(1),
            _ => 0,
        };
        let pressure = &self.pressure;
        let (refuse, pause) =
            (percent >= limits.memory_refuse_percent as u64, percent >= limits.memory_pause_percent as u64);
        if pressure.memory_refuse.swap(refuse, Ordering::Relaxed) != refuse {
            if refuse {
                tracing::warn!(percent, "memory is nearly used up: nothing more is opened");
            } else {
                tracing::info!(percent, "there is memory again: sessions are opened again");
            }
        }
        let paused = pressure.memory_pause.swap(pause, Ordering::Relaxed);
        if pause && !paused {
            tracing::warn!(percent, "memory is all but used up: nothing more is read");
        }
        paused && !pause
    }
}
