//! The gateway as a process.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
};

use serde_json::Value;
use socket_gateway_client::{Gateway, Options};

use crate::open;

pub(crate) struct Server {
    pub(crate) address: String,
    process: Mutex<Child>,
}

impl Server {
    /// Starts a gateway on a free port, with these settings.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let settings: Vec<_> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        Self::run(&settings).await
    }

    /// Starts a gateway on a free port, with this configuration file.
    pub(crate) async fn configured(text: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("it is ours");
        // It is read once, before the gateway is ready.
        Self::run(&["--config", file.path().to_str().expect("UTF-8")]).await
    }

    async fn run(arguments: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let binary =
            env::var_os("SOCKET_GATEWAY_BIN").map_or_else(|| root.join("target/debug/socket-gateway"), PathBuf::from);
        let mut command = Command::new(binary);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKET_GATEWAY_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.args(arguments);
        let mut process = command.stderr(Stdio::piped()).spawn().expect("the gateway starts");
        let stderr = process.stderr.take().expect("piped");
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let Ok(record) = serde_json::from_str::<Value>(&line) else { continue };
                let text = record.to_string();
                if text.contains("socket-gateway is ready")
                    && let Some(address) = find(&record, "address")
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(address);
                }
            }
        });
        let address = told.await.expect("the gateway gets ready");
        Self { address, process: Mutex::new(process) }
    }

    pub(crate) fn port(&self) -> u16 {
        let (_, port) = self.address.rsplit_once(':').expect("an address");
        port.parse().expect("a port")
    }

    pub(crate) async fn gateway(&self) -> Gateway {
        open(&self.address, Options::default()).await
    }

    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().expect("not poisoned");
        process.kill().expect("is ours");
        process.wait().expect("is ours");
    }

    pub(crate) async fn terminate(&self) -> ExitStatus {
        let id = self.process.lock().expect("not poisoned").id();
        let sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().expect("kill runs");
        assert!(sent.success());
        loop {
            if let Some(status) = self.process.lock().expect("not poisoned").try_wait().expect("is ours") {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

fn find(record: &Value, key: &str) -> Option<String> {
    match record {
        Value::Object(fields) => match fields.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => fields.values().find_map(|value| find(value, key)),
        },
        _ => None,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
