//! Case 12: connecting and disconnecting, against connecting and closing without a gateway.
//!
//! Either way a cycle is over when the peer has ended as well: else connections would pile up unaccepted, and the kernel would
//! begin to refuse them.

use std::sync::{Arc, atomic::Ordering};

use anyhow::{Result, bail, ensure};
use socket_gateway::api::proto::{Event, TcpConnectRequest, TcpDisconnectRequest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

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

/// A cycle is over when its `disconnected` has arrived.
async fn sessions(bench: &Bench) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    let (mut stream, done) = (subscribe(&mut sockets, &subscriber).await?, load.counter());
    let cycles = Arc::new(Semaphore::new(IN_FLIGHT));
    load.spawn({
        let cycles = Arc::clone(&cycles);
        async move {
            while let Some(message) = stream.message().await? {
                let ended = message.envelopes.iter().filter(|envelope| envelope.event() == Event::Disconnected).count();
                done.fetch_add(ended as u64, Ordering::Relaxed);
                cycles.add_permits(ended);
            }
            bail!("the stream ended")
        }
    });
    for worker in 0..IN_FLIGHT {
        let sink = bench.ports.sinks[worker % bench.ports.sinks.len()];
        let (mut sockets, subscriber, cycles) = (sockets.clone(), subscriber.clone(), Arc::clone(&cycles));
        load.spawn(async move {
            let request = TcpConnectRequest {
                host: sink.ip().to_string(),
                port: sink.port().into(),
                subscriber,
                ..Default::default()
            };
            loop {
                cycles.acquire().await?.forget();
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
                let mut stream = TcpStream::connect(sink).await?;
                stream.shutdown().await?;
                ensure!(stream.read(&mut [0]).await? == 0, "a sink has spoken");
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(load)
}
