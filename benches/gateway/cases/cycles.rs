//! Case 12: connecting and disconnecting, against connecting and closing without a gateway.

use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use socket_gateway::api::proto::{Event, TcpConnectRequest, TcpDisconnectRequest};
use tokio::net::TcpStream;

use super::{Bench, thousands};
use crate::{
    client::{connect, fresh_subscriber, subscribe},
    measure::{Bar, Load, Row},
};

/// Cycles under way at once.
const IN_FLIGHT: usize = 16;

pub async fn connect_and_disconnect(bench: &Bench) -> Result<Row> {
    let name = format!("connect + disconnect cycles, {IN_FLIGHT} in flight");
    let subject = thousands(12, name, Bar::new(0.25, 0.50));
    bench.compare(subject, async || sessions(bench).await, async || sockets(bench).await).await
}

/// A cycle counts when its `disconnected` has arrived.
async fn sessions(bench: &Bench) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    let (mut stream, done) = (subscribe(&mut sockets, &subscriber).await?, load.counter());
    load.spawn(async move {
        while let Some(message) = stream.message().await? {
            let ended = message.envelopes.iter().filter(|envelope| envelope.event() == Event::Disconnected);
            done.fetch_add(ended.count() as u64, Ordering::Relaxed);
        }
        bail!("the stream ended")
    });
    for worker in 0..IN_FLIGHT {
        let sink = bench.ports.sinks[worker % bench.ports.sinks.len()];
        let (mut sockets, subscriber) = (sockets.clone(), subscriber.clone());
        load.spawn(async move {
            let request = TcpConnectRequest {
                host: sink.ip().to_string(),
                port: sink.port().into(),
                subscriber,
                ..Default::default()
            };
            loop {
                let session_id = sockets.tcp_connect(request.clone()).await?.into_inner().session_id;
                sockets.tcp_disconnect(TcpDisconnectRequest { session_id, ..Default::default() }).await?;
            }
        });
    }
    Ok(load)
}

async fn sockets(bench: &Bench) -> Result<Load> {
    let mut load = Load::default();
    for worker in 0..IN_FLIGHT {
        let (sink, done) = (bench.ports.sinks[worker % bench.ports.sinks.len()], load.counter());
        load.spawn(async move {
            loop {
                drop(TcpStream::connect(sink).await?);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(load)
}
