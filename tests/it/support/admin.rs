//! An admin server of a test gateway, and what a scraper sees of it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use socket_gateway::admin::AdminServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use super::{TestGateway, within};

/// Ends with the test.
pub struct Admin {
    pub addr: SocketAddr,
    pub stop: CancellationToken,
    pub serving: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer over HTTP/1.1.
pub struct Page {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

/// Samples by name and labels as they are written: `name{label="value"}`.
pub type Samples = BTreeMap<String, f64>;

impl TestGateway {
    pub async fn admin(&self) -> Admin {
        let server = AdminServer::bind(Arc::clone(&self.gateway), ([127, 0, 0, 1], 0).into()).expect("a free port");
        let (addr, stop) = (server.local_addr(), CancellationToken::new());
        let serving = tokio::spawn(server.serve(stop.clone()));
        Admin { addr, stop, serving: Some(serving) }
    }
}

impl Admin {
    pub async fn get(&self, path: &str) -> Page {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")).await
    }

    /// Sends a request as it is, and reads to the end.
    pub async fn ask(&self, request: &str) -> Page {
        let mut stream = within(TcpStream::connect(self.addr)).await.expect("connects");
        stream.write_all(request.as_bytes()).await.expect("takes the request");
        let mut text = String::new();
        within(stream.read_to_string(&mut text)).await.expect("answers");
        let (headers, body) = text.split_once("\r\n\r\n").expect("headers end");
        let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Page { status, headers: headers.to_lowercase(), body: body.to_owned() }
    }

    pub async fn samples(&self) -> Samples {
        samples(&self.get("/metrics").await.body)
    }

    /// One sample; 0 where there is none.
    pub async fn sample(&self, series: &str) -> f64 {
        self.samples().await.get(series).copied().unwrap_or_default()
    }
}

/// The samples of a page.
pub fn samples(page: &str) -> Samples {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        (series.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}
