//! Every limit, reached in turn, with the process healthy after.
//!
//! `table.rs` has an entry for every setting that bounds something, or fails. Most are reached here, over gRPC, one after the other
//! in one gateway whose limits are changed as it runs, as a reload changes them; what takes a rig of its own (floods of frames, slow
//! handshakes, a control group, two identities, a peer that does not read) names the test that reaches it.

mod counts;
mod sizes;
mod table;
mod times;

use std::{fmt::Debug, time::Duration};

use socket_gateway::{
    api::proto::{self, Event},
    limits::Limits,
    quota::Quota,
};
use tonic::{Code, Response, Status};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::support::{
    Sessions, Sockets, TestGateway,
    calls::{connected, fails},
    connect_to, disconnect,
    peers::Peer,
    send, within,
};

/// One gateway for all limits.
pub struct Rig {
    gateway: TestGateway,
    echo: Peer,
}

/// What is in use.
#[derive(Debug, Default, PartialEq)]
struct InUse {
    sessions: u64,
    tasks: usize,
    listeners: u64,
    connects: u64,
    subscribers: u64,
    streams: u64,
    watchers: u64,
    taps: u64,
    waiting: u64,
}

/// As usual, but for subscribers, which go soon, so that their count returns.
fn usual() -> Limits {
    Limits { subscriber_idle_timeout: Duration::from_millis(100), ..Limits::default() }
}

impl Rig {
    async fn new() -> Self {
        Self { gateway: TestGateway::with(|limits| *limits = usual()).await, echo: Peer::echo().await }
    }

    /// Makes a limit low.
    fn low(&self, change: impl FnOnce(&mut Limits)) {
        let mut limits = usual();
        change(&mut limits);
        self.gateway.gateway.limit(limits, Quota::default());
    }

    async fn sockets(&self) -> Sockets {
        self.gateway.sockets().await
    }

    async fn sessions(&self) -> Sessions {
        self.gateway.sessions().await
    }

    fn in_use(&self) -> InUse {
        let picture = self.gateway.gateway.picture();
        InUse {
            sessions: picture.sessions.iter().flatten().sum(),
            tasks: self.gateway.gateway.registry.tasks(),
            listeners: picture.listeners,
            connects: picture.connects,
            subscribers: picture.subscribers,
            streams: picture.backlogs.streams,
            watchers: picture.watchers,
            taps: picture.taps,
            waiting: picture.turn_waiters + picture.send_queue_bytes,
        }
    }

    /// With the limit as usual again, health says SERVING, a round trip works, and nothing that was counted is left.
    async fn is_healthy(&self) {
        self.low(|_| ());
        let (mut sockets, mut sessions) = (self.sockets().await, self.sessions().await);
        let listed = sessions.list_listeners(proto::ListListenersRequest::default()).await.expect("lists").into_inner();
        for listener in listed.listeners {
            let request = proto::TcpUnlistenRequest { listener_id: listener.listener_id, ..Default::default() };
            sockets.tcp_unlisten(request).await.expect("closes");
        }
        let request = proto::ListSessionsRequest { page_size: 1000, ..Default::default() };
        for session in sessions.list_sessions(request).await.expect("lists").into_inner().sessions {
            // It may have come to its end by itself.
            let request = proto::TcpDisconnectRequest { abort: true, ..disconnect(&session.session_id) };
            let _ = sockets.tcp_disconnect(request).await;
        }
        let mut health = HealthClient::new(self.gateway.channel().await);
        let said = within(health.check(HealthCheckRequest::default())).await.expect("health answers").into_inner();
        assert_eq!(said.status(), ServingStatus::Serving);
        let mut stream = self.gateway.subscribe("after").await;
        let request = proto::TcpConnectRequest { subscriber: "after".into(), ..connect_to(self.echo.addr) };
        let id = connected(&mut sockets, request).await;
        sockets.tcp_send(send(&id, "there and back")).await.expect("sends");
        assert_eq!(stream.bytes(14).await, b"there and back");
        sockets.tcp_disconnect(disconnect(&id)).await.expect("closes");
        stream.until(Event::Disconnected).await;
        drop(stream);
        let mut left = self.in_use();
        let nothing = tokio::time::timeout(crate::support::PATIENCE, async {
            while left != InUse::default() {
                tokio::time::sleep(Duration::from_millis(5)).await;
                left = self.in_use();
            }
        });
        assert!(nothing.await.is_ok(), "{left:?} is left");
    }
}

/// That a call ran into this limit, and was told so.
#[track_caller]
fn reached<T: Debug>(answer: Result<Response<T>, Status>, limit: &str, value: usize) {
    let metadata = fails(answer, Code::ResourceExhausted, "LIMIT_REACHED");
    let told = ["limit", "value"].map(|key| metadata.get(key).map_or("", String::as_str));
    assert_eq!(told, [limit, &value.to_string()]);
}

/// Calls until it is answered well: what was given back is somebody else's.
async fn until_ok<T, F: Future<Output = Result<T, Status>>>(what: &str, mut call: impl FnMut() -> F) -> T {
    let answered = async {
        loop {
            if let Ok(answer) = call().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, answered).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}
