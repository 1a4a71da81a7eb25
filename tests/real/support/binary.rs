//! The gateway as a process of its own.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::programs::Process;

/// The binary that cargo built for these tests.
pub const PATH: &str = env!("CARGO_BIN_EXE_socket-gateway");

/// Serves on a free port of loopback: `command` is the binary, however it is to be run. It ends when the process is dropped.
pub fn serve(command: &mut Command) -> (SocketAddr, Process) {
    // Settings of the caller's shell are not the test's.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKET_GATEWAY_")) {
        command.env_remove(name);
    }
    command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut process = Process::start(command.stdin(Stdio::null()).stderr(Stdio::piped()));
    let mut log = BufReader::new(process.child().stderr.take().expect("piped")).lines().map_while(Result::ok);
    let address = log.by_ref().find_map(|line| {
        let line: Value = serde_json::from_str(&line).ok()?;
        line["address"].as_str()?.parse().ok()
    });
    // Read on, so that it can always write.
    std::thread::spawn(move || log.for_each(drop));
    (address.expect("the gateway tells its address"), process)
}
