//! Times that hold where a caller asks for none.

use std::time::Duration;

use socket_gateway::api::proto::{TcpConnectRequest, TcpExchangeRequest, TcpMode};
use tonic::Code;

use super::Rig;
use crate::support::{
    calls::{connected, exchange, fails},
    connect_to,
    peers::{Peer, Unanswering},
    seconds, within,
};

const SHORT: Duration = Duration::from_millis(200);

pub async fn connect_timeout(rig: &Rig) {
    rig.low(|limits| limits.connect_timeout = SHORT);
    let nobody = Unanswering::start().await;
    let failed = within(rig.sockets().await.tcp_connect(connect_to(nobody.addr))).await;
    fails(failed, Code::DeadlineExceeded, "CONNECT_FAILED");
}

pub async fn exchange_timeout(rig: &Rig) {
    rig.low(|limits| (limits.exchange_timeout, limits.settle_timeout) = (SHORT, Duration::ZERO));
    let (silent, mut sockets) = (Peer::stuck().await, rig.sockets().await);
    let id = connected(&mut sockets, connect_to(silent.addr)).await;
    let failed = within(sockets.tcp_exchange(exchange(&id, "?", ""))).await;
    fails(failed, Code::DeadlineExceeded, "TIMEOUT");
}

/// The turn is kept for the late answer of one that ended unanswered, and then passes on.
pub async fn settle_timeout(rig: &Rig) {
    rig.low(|limits| limits.settle_timeout = SHORT);
    let (silent, mut sockets) = (Peer::stuck().await, rig.sockets().await);
    let lines = TcpConnectRequest { mode: TcpMode::Line.into(), ..connect_to(silent.addr) };
    let id = connected(&mut sockets, lines).await;
    let brief = TcpExchangeRequest { timeout: seconds(0.05), ..exchange(&id, "first\n", "") };
    fails(within(sockets.tcp_exchange(brief)).await, Code::DeadlineExceeded, "TIMEOUT");
    let second = TcpExchangeRequest { timeout: seconds(10.0), ..exchange(&id, "second\n", "") };
    let waiting = tokio::spawn({
        let mut sockets = sockets.clone();
        async move { sockets.tcp_exchange(second).await }
    });
    let sent = "first\nsecond\n".len() as u64;
    let mut sessions = rig.sessions().await;
    crate::support::eventually("the second is written", || {
        let (mut sessions, id) = (sessions.clone(), id.clone());
        async move { crate::support::look(&mut sessions, &id).await.bytes_sent == sent }
    })
    .await;
    assert!(crate::support::look(&mut sessions, &id).await.exchange_active);
    waiting.abort();
}
