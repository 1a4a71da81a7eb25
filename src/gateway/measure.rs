//! What is so now, for who scrapes metrics: asked of everything that lives, so that nothing has to be counted where it happens.

use std::time::SystemTime;

use super::Gateway;
use crate::{
    metrics::{Backlogs, Picture},
    registry::Session,
};

impl Gateway {
    /// What is so now. Costs a look at every session and every subscriber.
    pub fn picture(&self) -> Picture {
        let (sessions, traffic) = self.registry.sessions_and_traffic();
        let limits = self.limits.keep();
        let mut picture = Picture {
            traffic,
            listeners: self.registry.listeners().len() as u64,
            connects: self.dialling.used() as u64,
            backlogs: self.backlogs(),
            subscribers: self.subscribers.len() as u64,
            watchers: self.registry.changes().watchers() as u64,
            taps: self.tapping.used() as u64,
            draining: self.is_stopping(),
            limits: vec![
                ("sessions", limits.sessions as u64),
                ("listeners", limits.listeners as u64),
                ("pending_connects", limits.pending_connects as u64),
                ("subscribers", limits.subscribers as u64),
                ("subscriber_backlog_bytes", limits.subscriber_backlog_bytes as u64),
                ("watchers", limits.watchers as u64),
                ("taps", limits.taps as u64),
                ("grpc_connections", limits.grpc_connections as u64),
            ],
            ..Picture::default()
        };
        for session in &sessions {
            let state = match session {
                Session::Tcp(tcp) => {
                    picture.send_queue_bytes += tcp.queued_bytes() as u64;
                    picture.turn_waiters += tcp.turn_waiters() as u64;
                    picture.exchanges += u64::from(tcp.exchange_active());
                    tcp.state()
                }
                Session::Udp(udp) => udp.state(),
            };
            picture.sessions[session.core().kind as usize][state as usize] += 1;
        }
        picture
    }

    fn backlogs(&self) -> Backlogs {
        let mut all = Backlogs::default();
        let mut oldest: Option<SystemTime> = None;
        for subscriber in self.subscribers.all() {
            let view = subscriber.view();
            all.bytes += view.backlog_bytes as u64;
            all.envelopes += view.backlog_envelopes as u64;
            all.largest_bytes = all.largest_bytes.max(view.backlog_bytes as u64);
            all.paused_sessions += view.paused_sessions as u64;
            all.streams += view.streams as u64;
            oldest = oldest.into_iter().chain(subscriber.oldest()).min();
        }
        // The clock may have been set back.
        all.oldest_seconds = oldest.and_then(|oldest| oldest.elapsed().ok()).map_or(0.0, |age| age.as_secs_f64());
        all
    }
}
