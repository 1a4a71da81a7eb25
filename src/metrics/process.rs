//! Figures of the process and of its runtime.

use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;

/// Figures of the process; what the system does not tell is None.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// User and system time in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Virtual memory in bytes.
    pub virtual_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_descriptors: Option<u64>,
    /// How many there may be.
    pub most_descriptors: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// This process now.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
        };
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        Self {
            cpu_seconds: usage.map(|usage| {
                (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
            }),
            // The kernel's kB are KiB (proc_pid_status(5)).
            resident_bytes: field("VmRSS").map(|kib| kib * 1024),
            virtual_bytes: field("VmSize").map(|kib| kib * 1024),
            // One of them is the folder that is being read.
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|fds| (fds.count() as u64).saturating_sub(1)),
            most_descriptors: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
            threads: field("Threads"),
        }
    }
}

/// Figures of the tokio runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runtime {
    /// Worker threads.
    pub workers: u64,
    /// Tasks that have not ended.
    pub alive_tasks: u64,
    /// Tasks in the queue that all workers share.
    pub queued_tasks: u64,
}

impl Runtime {
    /// The runtime this is called on; None outside of one.
    pub fn now() -> Option<Self> {
        let metrics = tokio::runtime::Handle::try_current().ok()?.metrics();
        Some(Self {
            workers: metrics.num_workers() as u64,
            alive_tasks: metrics.num_alive_tasks() as u64,
            queued_tasks: metrics.global_queue_depth() as u64,
        })
    }
}
