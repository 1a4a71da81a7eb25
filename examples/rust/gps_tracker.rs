//! A server for GPS trackers that connect and report their position as NMEA 0183 sentences.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_gps_tracker -- --port 5020
//! ```
//!
//! Prints a line for each position. Sentences with a wrong checksum are reported and passed over.

use std::time::Duration;

use clap::Parser;
use socket_gateway_client::{Error, Gateway, Session, TcpOptions};

/// Prints the positions that trackers report.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// 0: any that is free
    #[arg(long, default_value_t = 5020)]
    port: u16,
    /// Seconds until a silent tracker is hung up on
    #[arg(long, default_value_t = 300.0)]
    silence: f64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let silence = Duration::from_secs_f64(options.silence);
    let listener = gateway.listen(&options.host, options.port, TcpOptions::lines().timeout(silence)).await?;
    println!("listening on {}", listener.local_addr());
    loop {
        let session = listener.accept().await?;
        tokio::spawn(async move {
            let tracker = session.ends().map_or_else(|| "?".to_owned(), |ends| ends.peer.to_string());
            // A tracker that drives into a tunnel: the timeout has closed its session.
            if let Err(error) = track(&session, &tracker).await {
                println!("{tracker} is gone: {error}");
            }
        });
    }
}

async fn track(session: &Session, tracker: &str) -> Result<(), Error> {
    while let Some(sentence) = session.next_line().await? {
        let sentence = sentence.into_text();
        match position(&sentence) {
            Ok(Some((latitude, longitude, satellites))) => {
                println!("{tracker} at {latitude:.5} {longitude:.5}, {satellites} satellites");
            }
            Ok(None) => {}
            Err(wrong) => println!("{tracker} sent {sentence:?}: {wrong}"),
        }
    }
    Ok(())
}

/// Where it is, if the sentence says so: latitude, longitude, satellites.
fn position(sentence: &str) -> Result<Option<(f64, f64, &str)>, &'static str> {
    let (body, checksum) =
        sentence.strip_prefix('$').and_then(|rest| rest.split_once('*')).ok_or("no NMEA sentence")?;
    let checksum = u8::from_str_radix(checksum, 16).map_err(|_| "no checksum")?;
    // The exclusive or of what is between $ and *.
    if body.bytes().fold(0, |sum, byte| sum ^ byte) != checksum {
        return Err("wrong checksum");
    }
    let fields: Vec<&str> = body.split(',').collect();
    match fields.as_slice() {
        [kind, _, latitude, north, longitude, east, fix, satellites, ..] if kind.ends_with("GGA") && *fix != "0" => {
            Ok(Some((degrees(latitude, north)?, degrees(longitude, east)?, satellites)))
        }
        _ => Ok(None),
    }
}

/// ddmm.mmmm as degrees.
fn degrees(value: &str, hemisphere: &str) -> Result<f64, &'static str> {
    let point = value.find('.').filter(|point| *point >= 2).ok_or("no coordinate")?;
    let (whole, minutes) = value.split_at(point - 2);
    let (whole, minutes) = (whole.parse::<f64>(), minutes.parse::<f64>());
    let degrees = whole.map_err(|_| "no coordinate")? + minutes.map_err(|_| "no coordinate")? / 60.0;
    Ok(if matches!(hemisphere, "S" | "W") { -degrees } else { degrees })
}
