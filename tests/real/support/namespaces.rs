//! Two network namespaces joined by one wire, each with a gateway inside.

use std::{
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    binary,
    grpcurl::Grpcurl,
    programs::{Process, command},
};

/// The name of the wire's end in either namespace.
pub const WIRE: &str = "wire";

/// The addresses of the two ends; the broadcast address of their network.
pub const LEFT: &str = "10.77.0.1";
pub const RIGHT: &str = "10.77.0.2";
pub const BROADCAST: &str = "10.77.0.255";

/// Both sides and the wire; all of it goes with the test.
pub struct Wire {
    pub left: Side,
    pub right: Side,
}

/// A namespace and the gateway in it.
pub struct Side {
    pub grpcurl: Grpcurl,
    // Ends before its namespace goes.
    _gateway: Process,
    namespace: Namespace,
}

impl Wire {
    /// The wire has no route but its own network, and no multicast route: only a named interface leads there.
    pub fn lay() -> Self {
        let (left, right) = (Namespace::new("l"), Namespace::new("r"));
        left.ip(&["link", "add", WIRE, "type", "veth", "peer", "name", WIRE, "netns", &right.0]);
        for (side, v4, v6) in [(&left, LEFT, "fe80::1"), (&right, RIGHT, "fe80::2")] {
            side.ip(&["addr", "add", &format!("{v4}/24"), "brd", "+", "dev", WIRE]);
            side.ip(&["link", "set", "lo", "up"]);
            side.ip(&["link", "set", WIRE, "up"]);
            // Usable at once: nobody else is there to have it.
            side.ip(&["addr", "add", &format!("{v6}/64"), "dev", WIRE, "nodad"]);
        }
        Self { left: Side::serve(left), right: Side::serve(right) }
    }
}

impl Side {
    fn serve(namespace: Namespace) -> Self {
        let (address, gateway) = binary::serve(&mut namespace.command(binary::PATH));
        let grpcurl = Grpcurl::inside(&namespace.0, address);
        Self { grpcurl, _gateway: gateway, namespace }
    }

    /// Pulls this end of the wire, or puts it back.
    pub fn set_wire(&self, state: &str) {
        self.namespace.ip(&["link", "set", WIRE, state]);
    }

    /// Drops what comes in and matches.
    pub fn drop_inbound(&self, matching: &str) {
        for rule in ["add table inet t", "add chain inet t in { type filter hook input priority 0; }"] {
            self.namespace.run("nft", &[rule]);
        }
        self.namespace.run("nft", &[&format!("add rule inet t in {matching} drop")]);
    }
}

/// A network namespace of this test's own.
struct Namespace(String);

impl Namespace {
    fn new(suffix: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sgw-{}-{count}{suffix}", process::id());
        let mut add = command("ip");
        let output = add.args(["netns", "add", &name]).output().expect("ip runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "network namespaces need root; run scripts/test as root. ip says: {said}");
        Self(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut ip = command("ip");
        ip.args(["netns", "exec", &self.0, program]);
        ip
    }

    fn ip(&self, args: &[&str]) {
        let mut arguments = vec!["-n", &self.0];
        arguments.extend(args);
        succeed(command("ip").args(arguments));
    }

    fn run(&self, program: &str, args: &[&str]) {
        succeed(self.command(program).args(args));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Best effort: a failing test must not be hidden by its cleaning up.
        let _ = command("ip").args(["netns", "del", &self.0]).output();
    }
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
