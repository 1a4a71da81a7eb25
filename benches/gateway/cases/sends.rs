//! Case 1: TcpSend into a sink, against a unary call that does only the same write.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use socket_gateway::api::proto::{TcpMode, TcpSendRequest};

use super::{Bench, thousands};
use crate::{
    client::{SMALL, Sockets, connect, fresh_subscriber, open, send_request},
    measure::{Bar, Load, Row},
};

const BAR: Bar = Bar::new(0.80, 0.95);

pub async fn into_a_sink(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for in_flight in [1, 16, 64] {
        let subject = thousands(1, format!("TcpSend into a sink, {in_flight} in flight"), BAR);
        let gateway = async || sends(bench.gateway, bench.ports.sinks[0], in_flight).await;
        let limit = async || sends(bench.limit, bench.ports.sinks[0], in_flight).await;
        rows.push(bench.compare(subject, gateway, limit).await?);
    }
    Ok(rows)
}

/// Each call in flight has a session of its own.
async fn sends(address: SocketAddr, sink: SocketAddr, in_flight: usize) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(address).await?, fresh_subscriber());
    for index in 0..in_flight {
        let session = open(&mut sockets, sink, &subscriber, TcpMode::Binary, index).await?;
        load.owns(&sockets, &session);
        load.spawn(send_again_and_again(sockets.clone(), vec![send_request(&session, SMALL)], load.counter()));
    }
    Ok(load)
}

/// One call in flight, the requests in turn.
pub async fn send_again_and_again(
    mut sockets: Sockets,
    requests: Vec<TcpSendRequest>,
    done: Arc<AtomicU64>,
) -> Result<()> {
    loop {
        for request in &requests {
            sockets.tcp_send(request.clone()).await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}
