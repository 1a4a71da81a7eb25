//! What the figures were measured on. Nothing that names the machine.

use std::{fs, process::Command};

use chrono::{SecondsFormat, Utc};
use serde::Serialize;

#[derive(Serialize)]
pub struct Machine {
    pub date: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    /// Absent outside a checkout.
    pub version: Option<String>,
}

impl Machine {
    pub fn look() -> Self {
        Self {
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory_mib().unwrap_or(0),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| "unknown".into(), trimmed),
            version: git_describe(),
        }
    }
}

fn trimmed(text: String) -> String {
    text.trim().to_owned()
}

fn memory_mib() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(total.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}

fn git_describe() -> Option<String> {
    let mut command = Command::new("git");
    command.args(["describe", "--tags", "--always", "--dirty"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(trimmed(String::from_utf8(output.stdout).ok()?))
}
