//! Reads holding registers of a Modbus/TCP device: frames that begin with their length.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_modbus -- 192.168.1.60 --first 0 --count 4
//! ```

use std::error::Error;

use clap::Parser;
use socket_gateway_client::{Gateway, SessionStream, TcpOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const READ_HOLDING_REGISTERS: u8 = 3;

/// Reads holding registers of a Modbus/TCP device.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    host: String,
    #[arg(long, default_value_t = 502)]
    port: u16,
    #[arg(long, default_value_t = 1)]
    unit: u8,
    #[arg(long, default_value_t = 0)]
    first: u16,
    #[arg(long, default_value_t = 4)]
    count: u16,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let mut device = gateway.connect(&options.host, options.port, TcpOptions::binary()).await?.into_stream();
    let values = read_registers(&mut device, &options).await?;
    for (number, value) in (options.first..).zip(values) {
        println!("register {number}: {value}");
    }
    Ok(())
}

/// One request and its answer (Modbus application protocol 1.1b3, section 6.3).
async fn read_registers(device: &mut SessionStream, options: &Options) -> Result<Vec<u16>, Box<dyn Error>> {
    const TRANSACTION: u16 = 1;
    let mut request = Vec::new();
    request.extend(TRANSACTION.to_be_bytes());
    request.extend([0, 0, 0, 6, options.unit, READ_HOLDING_REGISTERS]);
    request.extend(options.first.to_be_bytes());
    request.extend(options.count.to_be_bytes());
    device.write_all(&request).await?;
    device.flush().await?;

    // However the answer is cut on its way, it is read by its length.
    let transaction = device.read_u16().await?;
    let _protocol = device.read_u16().await?;
    let mut body = vec![0; device.read_u16().await?.into()];
    device.read_exact(&mut body).await?;
    match body.as_slice() {
        _ if transaction != TRANSACTION => {
            Err(format!("the device answered transaction {transaction}, not {TRANSACTION}").into())
        }
        [_, READ_HOLDING_REGISTERS, _, registers @ ..] => {
            Ok(registers.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
        }
        [_, _, 1, ..] => Err("the device refused: illegal function".into()),
        [_, _, 2, ..] => Err("the device refused: illegal data address".into()),
        [_, _, 3, ..] => Err("the device refused: illegal data value".into()),
        other => Err(format!("the device refused, or said what it should not: {other:?}").into()),
    }
}
