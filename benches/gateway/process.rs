//! The children: started, announced by their first line, ended by their own process id.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{self, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use serde_json::Value;

/// Patience with an orderly end, in steps.
const ENDING: (u32, Duration) = (500, Duration::from_millis(10));

/// In which Linux tells processor times, on every machine (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// Lines shown of a child that did not start.
const LAST_LINES: usize = 20;

/// A child process; dropping it ends it.
pub struct Child {
    process: process::Child,
}

impl Child {
    /// The gateway, on a free port of its own; returns when it says that it is ready.
    pub fn gateway(binary: &Path) -> Result<(Self, SocketAddr)> {
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("the gateway")?;
        let lines = process.stderr.take().context("its stderr")?;
        let child = Self { process };
        let address = announced(lines, |line| line["address"].as_str()?.parse().ok()).context("the gateway")?;
        Ok((child, address))
    }

    /// This program in another role, and what it announces.
    pub fn role<T>(role: &str, announcement: impl Fn(&Value) -> Option<T>) -> Result<(Self, T)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", role]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("the {role}"))?;
        let lines = process.stdout.take().context("its stdout")?;
        let child = Self { process };
        let announced = announced(lines, announcement).with_context(|| format!("the {role}"))?;
        Ok((child, announced))
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024.0)
    }
}

impl Child {
    /// Processor time used so far, of all threads, in user space and in the kernel.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // After the name, which may hold anything, come the third field and the following; these are the 14th and the 15th.
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let (Some(user), Some(system)) = (times.next(), times.next()) else { bail!("no times") };
        Ok((user? + system?) as u32 * TICK)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Not waited for yet, so the id is still this child's.
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let (steps, step) = ENDING;
        for _ in 0..steps {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(step);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads lines until one announces what is wanted; the rest is read and dropped, or the child would block on a full pipe.
fn announced<T>(output: impl Read + Send + 'static, announcement: impl Fn(&Value) -> Option<T>) -> Result<T> {
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut seen = VecDeque::new();
    for line in lines.by_ref() {
        if let Some(found) = serde_json::from_str(&line).ok().as_ref().and_then(&announcement) {
            thread::spawn(move || lines.for_each(drop));
            return Ok(found);
        }
        seen.push_back(line);
        if seen.len() > LAST_LINES {
            seen.pop_front();
        }
    }
    Err(anyhow!("ended before it was ready: {}", seen.make_contiguous().join("\n")))
}

/// For a role: tells the parent, and ends with it.
pub async fn announce(announcement: Value) {
    println!("{announcement}");
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
}

/// Ten thousand sessions need as many descriptors; children inherit the limit.
pub fn raise_descriptor_limit() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// How many sessions fit under the descriptor limit, with some left for everything else.
pub fn sessions_possible(wanted: usize) -> Result<usize> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(wanted.min(usize::try_from(soft)?.saturating_sub(200)))
}

/// Pins this process to the first core it may use; children inherit that.
pub fn pin_to_one_core() -> Result<()> {
    let me = Pid::from_raw(0);
    let allowed = sched_getaffinity(me)?;
    let first = (0..CpuSet::count()).find(|&core| allowed.is_set(core).unwrap_or(false)).context("no core at all")?;
    let mut one = CpuSet::new();
    one.set(first)?;
    Ok(sched_setaffinity(me, &one)?)
}
