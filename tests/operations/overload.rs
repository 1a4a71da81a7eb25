//! Overload: file descriptors used up, logs that nobody reads. New work is refused or waits; what lives goes on.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use socket_gateway::api::proto::{ListSessionsRequest, UdpInRequest};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::process::{
    PATIENCE, Running, Sessions, address, binary, channel, eventually, limit, sessions, shell, sockets, within,
};

/// Processor time that a process has used, in hundredths of a second (proc(5): utime and stime, in clock ticks).
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // The name in brackets may hold anything; the fields after it are counted from the third.
    let after = stat.rsplit_once(')').expect("a name").1;
    after.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}

/// Sets the soft limit of descriptors.
fn allow(pid: u32, descriptors: usize) {
    let status =
        Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--nofile={descriptors}:")]).status();
    assert!(status.expect("prlimit runs").success());
}

async fn is_served(client: &mut Sessions) {
    within(client.list_sessions(ListSessionsRequest::default())).await.expect("is served");
}

fn udp_in() -> UdpInRequest {
    UdpInRequest { host: "127.0.0.1".into(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_used_up_cost_no_processor_time_and_nothing_that_lives() {
    let (gateway, at) = Running::start(&[]);
    let pid = gateway.pid();
    let mut client = sessions(at).await;
    let mut opener = sockets(at).await;
    opener.udp_in(udp_in()).await.expect("binds");
    is_served(&mut client).await;
    allow(pid, descriptors(pid));
    // The kernel takes the connections, and the gateway has nothing to accept them with.
    let waiting: Vec<_> = (0..30).map(|_| std::net::TcpStream::connect(at).expect("is queued")).collect();
    gateway.line("accepting a gRPC connection failed; resting");
    let refused = opener.udp_in(udp_in()).await.expect_err("no descriptor for it");
    assert!(refused.message().contains("too many open files"), "{refused:?}");
    // Rests grow to a second: three seconds of it are next to nothing, where a loop without them takes a whole processor.
    let (before, started) = (ticks(pid), Instant::now());
    while started.elapsed() < Duration::from_secs(3) {
        is_served(&mut client).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let used = ticks(pid) - before;
    assert!(used < 100, "{used} ticks in {:?}", started.elapsed());
    drop(waiting);
    allow(pid, 1000);
    let mut late = sessions(at).await;
    is_served(&mut late).await;
    opener.udp_in(udp_in()).await.expect("there are descriptors again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_few_descriptors_sessions_leave_enough_for_new_clients_and_health() {
    let mut command = shell("ulimit -n 120; exec \"$0\" \"$@\"");
    let gateway = Running::spawn(command.args(["--listen", "127.0.0.1:0"]));
    let warning = gateway.line("fewer file descriptors than the limits");
    let most = warning["sessions"].as_u64().expect("what is left of them");
    let at = gateway.ready();
    let mut opener = sockets(at).await;
    let mut open = 0;
    let refused = loop {
        match opener.udp_in(udp_in()).await {
            Ok(_) => open += 1,
            Err(status) => break status,
        }
    };
    assert_eq!((limit(&refused).as_str(), open), ("sessions", most));
    for _ in 0..5 {
        let mut health = HealthClient::new(channel(at).await);
        let answer = within(health.check(HealthCheckRequest::default())).await.expect("health answers");
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_that_nobody_reads_do_not_hold_the_gateway_up() {
    let mut command = binary();
    command.args(["--listen", "127.0.0.1:0", "--log-format", "json", "--log-filter", "trace"]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let at = lines.by_ref().find_map(|line| {
        let line: Value = serde_json::from_str(&line).ok()?;
        line["message"].as_str()?.starts_with("socket-gateway is ready").then(|| address(&line))
    });
    // From here on nobody reads: the pipe is full after some hundred lines.
    let mut client = sessions(at.expect("it is ready")).await;
    for _ in 0..2000 {
        is_served(&mut client).await;
    }
    drop(client);
    let started = Instant::now();
    assert!(Command::new("/bin/kill").arg(child.id().to_string()).status().expect("kill runs").success());
    let mut code = None;
    eventually("it ends", || {
        code = child.try_wait().expect("it is ours");
        std::future::ready(code.is_some())
    })
    .await;
    assert_eq!(code.and_then(|code| code.code()), Some(0));
    assert!(started.elapsed() < PATIENCE);
    drop(lines);
}
