//! The far end: its process, and its control port.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use serde_json::{Value, json};

pub(crate) struct FarEnd {
    ports: Value,
    control: u16,
    process: Mutex<Child>,
}

impl FarEnd {
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/farend.py");
        let mut process = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs the far end");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ports: Value = serde_json::from_str(&line).expect("JSON");
        let control = ports["control"].as_u64().expect("a port") as u16;
        Self { ports, control, process: Mutex::new(process) }
    }

    pub(crate) fn port(&self, peer: &str) -> u16 {
        self.ports[peer].as_u64().unwrap_or_else(|| panic!("the far end has no {peer}")) as u16
    }

    /// Gives an order, on a connection of its own.
    pub(crate) async fn order(&self, order: Value) -> Value {
        let control = self.control;
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", control)).expect("the far end is there");
            stream.write_all(format!("{order}\n").as_bytes()).expect("takes orders");
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).expect("answers");
            serde_json::from_str::<Value>(&line).expect("JSON")
        });
        let answer = answer.await.expect("does not panic");
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    }

    /// Waits until the peer is done with the connection that came from this port.
    pub(crate) async fn wait(&self, port: u16) -> Value {
        self.order(json!({"cmd": "wait", "port": port, "timeout": 30})).await
    }

    pub(crate) async fn say(&self, port: u16, text: &str) {
        self.order(json!({"cmd": "say", "port": port, "text": text})).await;
    }
}

/// A way to a gateway that can be cut.
pub(crate) struct Relay<'a> {
    far: &'a FarEnd,
    id: Value,
    pub(crate) target: String,
}

impl<'a> Relay<'a> {
    pub(crate) async fn to(far: &'a FarEnd, port: u16) -> Self {
        let answer = far.order(json!({"cmd": "relay", "port": port})).await;
        Self { far, id: answer["relay"].clone(), target: format!("127.0.0.1:{}", answer["port"]) }
    }

    pub(crate) async fn order(&self, cmd: &str) -> Value {
        self.far.order(json!({"cmd": cmd, "relay": self.id})).await
    }

    pub(crate) async fn aim(&self, port: u16) {
        self.far.order(json!({"cmd": "target", "relay": self.id, "port": port})).await;
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut() {
            drop(process.stdin.take());
            let _ = process.wait();
        }
    }
}

/// SHA-256 as the far end writes it.
pub(crate) fn hash(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
