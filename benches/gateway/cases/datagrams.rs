//! Case 8: UDP datagrams received and delivered, against receiving them raw.
//!
//! The peer sends as fast as it can, so both sides are also measured at what they do while more comes than they can take: what
//! is dropped does not count.

use std::{net::SocketAddr, sync::atomic::Ordering};

use anyhow::{Result, bail};
use socket_gateway::{
    api::proto::{Event, UdpInRequest},
    limits::Limits,
};
use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UdpSocket},
};

use super::{Bench, thousands};
use crate::{
    client::{connect, fresh_subscriber, subscribe},
    measure::{Bar, Load, Row},
    peer::DATAGRAM_BYTES,
};

pub async fn received(bench: &Bench) -> Result<Row> {
    let subject = thousands(8, "UDP datagrams of 64 B to Subscribe", Bar::new(0.35, 0.60));
    bench.compare(subject, async || delivered(bench).await, async || raw(bench).await).await
}

/// Datagrams come for as long as the connection returned is held.
async fn flood(bench: &Bench, target: SocketAddr) -> Result<TcpStream> {
    let mut control = TcpStream::connect(bench.ports.datagrams).await?;
    control.write_all(format!("{target}\n").as_bytes()).await?;
    Ok(control)
}

async fn delivered(bench: &Bench) -> Result<Load> {
    let (mut load, mut sockets, subscriber) = (Load::default(), connect(bench.gateway).await?, fresh_subscriber());
    let request = UdpInRequest { host: "127.0.0.1".into(), subscriber: subscriber.clone(), ..Default::default() };
    let bound = sockets.udp_in(request).await?.into_inner();
    load.owns(&sockets, &bound.session_id);
    let mut stream = subscribe(&mut sockets, &subscriber).await?;
    let port = bound.listening.map_or(0, |listening| listening.local_port) as u16;
    let flood = flood(bench, ([127, 0, 0, 1], port).into()).await?;
    let done = load.counter();
    load.spawn(async move {
        let _held = flood;
        while let Some(message) = stream.message().await? {
            let data = message.envelopes.iter().filter(|envelope| envelope.event() == Event::Data);
            done.fetch_add(data.count() as u64, Ordering::Relaxed);
        }
        bail!("the stream ended")
    });
    Ok(load)
}

async fn raw(bench: &Bench) -> Result<Load> {
    let mut load = Load::default();
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    SockRef::from(&socket).set_recv_buffer_size(Limits::default().udp_receive_buffer_bytes)?;
    let flood = flood(bench, socket.local_addr()?).await?;
    let done = load.counter();
    load.spawn(async move {
        let _held = flood;
        let mut datagram = [0; DATAGRAM_BYTES];
        loop {
            socket.recv_from(&mut datagram).await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(load)
}
