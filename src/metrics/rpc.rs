//! Calls by method and code. A method that is not one of ours counts as "other", so that no caller makes up series.

use std::{collections::HashMap, time::Duration};

use super::values::{Counter, Histogram};

/// Every method that is served, as its path without the first slash.
pub const METHODS: [&str; 21] = [
    "tcpip.v1.SocketGatewayService/TcpConnect",
    "tcpip.v1.SocketGatewayService/TcpListen",
    "tcpip.v1.SocketGatewayService/TcpSend",
    "tcpip.v1.SocketGatewayService/Attach",
    "tcpip.v1.SocketGatewayService/TcpExchange",
    "tcpip.v1.SocketGatewayService/TcpDisconnect",
    "tcpip.v1.SocketGatewayService/TcpUnlisten",
    "tcpip.v1.SocketGatewayService/UdpIn",
    "tcpip.v1.SocketGatewayService/UdpOut",
    "tcpip.v1.SocketGatewayService/Subscribe",
    "tcpip.v1.SessionService/ListSessions",
    "tcpip.v1.SessionService/GetSession",
    "tcpip.v1.SessionService/ListListeners",
    "tcpip.v1.SessionService/ListSubscribers",
    "tcpip.v1.SessionService/Watch",
    "tcpip.v1.SessionService/ClaimData",
    "tcpip.v1.SessionService/Tap",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

const OTHER: &str = "other";

/// The gRPC codes by number, and last what is none of them.
pub(super) const CODES: [&str; 18] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
    "OTHER",
];

/// Calls from a unary that only writes to streams that live for days.
const RPC_SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0];

/// All calls.
#[derive(Debug)]
pub struct RpcMetrics {
    by_path: HashMap<&'static str, usize>,
    methods: Vec<Method>,
}

#[derive(Debug)]
struct Method {
    name: &'static str,
    begun: Counter,
    ended: [Counter; CODES.len()],
    durations: Histogram,
}

/// One method, to count a call of it.
#[derive(Clone, Copy, Debug)]
pub struct Rpc(usize);

impl RpcMetrics {
    pub(super) fn new() -> Self {
        let method = |name| Method {
            name,
            begun: Counter::default(),
            ended: std::array::from_fn(|_| Counter::default()),
            durations: Histogram::new(RPC_SECONDS),
        };
        Self {
            by_path: METHODS.iter().enumerate().map(|(index, name)| (*name, index)).collect(),
            methods: METHODS.iter().chain([&OTHER]).map(|name| method(*name)).collect(),
        }
    }

    /// A call begins; the path is that of the request.
    pub fn begin(&self, path: &str) -> Rpc {
        let rpc = self.of(path);
        self.methods[rpc.0].begun.increment();
        rpc
    }

    /// The name a call of this path is known by.
    pub fn name_of(&self, path: &str) -> &'static str {
        self.name(self.of(path))
    }

    fn of(&self, path: &str) -> Rpc {
        let known = self.by_path.get(path.strip_prefix('/').unwrap_or(path));
        Rpc(known.copied().unwrap_or(METHODS.len()))
    }

    /// It has ended; the code is a number of gRPC's.
    pub fn end(&self, rpc: Rpc, code: i32, took: Duration) {
        let method = &self.methods[rpc.0];
        let code = usize::try_from(code).unwrap_or(usize::MAX).min(CODES.len() - 1);
        method.ended[code].increment();
        method.durations.observe(took);
    }

    /// The name a call of this is known by.
    pub fn name(&self, rpc: Rpc) -> &'static str {
        self.methods[rpc.0].name
    }

    /// Ended calls by method and code, as far as there were any.
    pub(super) fn ended(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of = |method: &'static str, ended: &[Counter; CODES.len()]| {
            let counts: Vec<_> = CODES.iter().zip(ended).map(|(code, count)| (method, *code, count.get())).collect();
            counts
        };
        self.methods.iter().flat_map(move |method| of(method.name, &method.ended)).filter(|(.., count)| *count > 0)
    }

    /// Calls that have begun and not ended, by method.
    pub(super) fn open(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.methods.iter().map(|method| {
            // A call that ends meanwhile must not make it less than nothing.
            let ended: u64 = method.ended.iter().map(Counter::get).sum();
            (method.name, method.begun.get().saturating_sub(ended))
        })
    }

    /// Durations by method.
    pub(super) fn durations(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        self.methods.iter().map(|method| (method.name, &method.durations)).filter(|(_, times)| times.count() > 0)
    }
}
