//! What is opened at start: `[[tcp_listen]]`, `[[udp_in]]` and `[[tcp_connect]]`.
//!
//! A declaration becomes the request that a caller would send, and `api` decides about it as about any request. What is more: it
//! names its subscriber and its port, and its sessions are never orphans unless it says so, since nobody called for them.

use std::sync::Arc;

use toml::de::DeTable;

use super::{
    document::Document,
    fault::{Fault, Origin},
    fields::{Fields, each_table},
};
use crate::{
    api::{self, proto},
    error::Error,
    framing::WaitFor,
    gateway::{ConnectSpec, ListenSpec, UdpInSpec},
    identity::{Caller, is_namespace},
    limits::Limits,
};

/// What can be declared: the names of the lists in the file.
pub(super) const KINDS: [&str; 3] = [TCP_LISTEN, UDP_IN, TCP_CONNECT];
pub(super) const TCP_LISTEN: &str = "tcp_listen";
pub(super) const UDP_IN: &str = "udp_in";
pub(super) const TCP_CONNECT: &str = "tcp_connect";

const TCP_MODES: [(&str, i32); 2] = [("binary", proto::TcpMode::Binary as i32), ("line", proto::TcpMode::Line as i32)];
const UDP_MODES: [(&str, i32); 2] = [("binary", proto::UdpMode::Binary as i32), ("utf8", proto::UdpMode::Utf8 as i32)];
const TIMEOUT_ACTIONS: [(&str, i32); 2] =
    [("close", proto::TimeoutAction::Close as i32), ("keep", proto::TimeoutAction::Keep as i32)];

/// Something to open, and where that is said.
#[derive(Clone, Debug)]
pub struct Declared<S> {
    /// What to open.
    pub spec: S,
    /// Whose it is.
    pub owner: Arc<Caller>,
    /// Where it is declared.
    pub origin: Origin,
    /// What the file calls it, for people.
    pub name: Option<String>,
}

/// Everything to open at start.
#[derive(Clone, Debug, Default)]
pub struct Declarations {
    /// Listeners.
    pub tcp_listen: Vec<Declared<ListenSpec>>,
    /// UDP sockets.
    pub udp_in: Vec<Declared<UdpInSpec>>,
    /// Connections.
    pub tcp_connect: Vec<Declared<ConnectSpec>>,
}

/// Reads all declarations of a file; those that no request can be made of are left out.
pub(super) fn read(document: &Document, table: &DeTable<'_>, limits: &Limits, faults: &mut Vec<Fault>) -> Declarations {
    let mut reader = Reader { document, table, limits, faults };
    Declarations {
        tcp_listen: reader.each(TCP_LISTEN, tcp_listen),
        udp_in: reader.each(UDP_IN, udp_in),
        tcp_connect: reader.each(TCP_CONNECT, tcp_connect),
    }
}

struct Reader<'a> {
    document: &'a Document,
    table: &'a DeTable<'a>,
    limits: &'a Limits,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn each<S>(
        &mut self,
        kind_of: &'static str,
        read: impl Fn(&mut Fields<'a>, &Limits) -> Option<Declared<S>>,
    ) -> Vec<Declared<S>> {
        let mut found = Vec::new();
        // Kept in spite of other faults, so that what clashes with it is found as well.
        let limits = self.limits;
        each_table(self.document, self.table, kind_of, kind_of, self.faults, |fields, _| {
            found.extend(read(fields, limits));
        });
        found
    }
}

fn tcp_listen(fields: &mut Fields<'_>, limits: &Limits) -> Option<Declared<ListenSpec>> {
    let name = Some(fields.text("name")).filter(|name| !name.is_empty());
    let request = proto::TcpListenRequest {
        host: fields.text("host"),
        port: fields.port("port", ANY_PORT),
        subscriber: subscriber(fields),
        mode: fields.choice("mode", &TCP_MODES),
        wait_for: fields.text("wait_for"),
        timeout: fields.time("timeout"),
        on_timeout: fields.choice("on_timeout", &TIMEOUT_ACTIONS),
        allow_half_open: fields.flag("allow_half_open").unwrap_or_default(),
        orphan_timeout: orphan_timeout(fields),
        request_id: String::new(),
    };
    check_pattern(fields, &request.wait_for, request.mode(), limits);
    declared(fields, name, api::listen_spec(request))
}

fn udp_in(fields: &mut Fields<'_>, _: &Limits) -> Option<Declared<UdpInSpec>> {
    let request = proto::UdpInRequest {
        host: fields.text("host"),
        port: fields.port("port", ANY_PORT),
        multicast_groups: fields.tables("multicast_groups", |group| proto::MulticastGroup {
            address: group.required_text("address", "like \"239.1.2.3\" or \"ff02::1234\""),
            interface: group.text("interface"),
        }),
        mode: fields.choice("mode", &UDP_MODES),
        reuse_address: fields.flag("reuse_address"),
        subscriber: subscriber(fields),
        session_id: fields.text("session_id"),
        orphan_timeout: orphan_timeout(fields),
        request_id: String::new(),
        timeout: fields.time("timeout"),
        on_timeout: fields.choice("on_timeout", &TIMEOUT_ACTIONS),
    };
    declared(fields, None, api::udp_in_spec(request))
}

fn tcp_connect(fields: &mut Fields<'_>, limits: &Limits) -> Option<Declared<ConnectSpec>> {
    let request = proto::TcpConnectRequest {
        host: fields.text("host"),
        port: fields.port("port", "1 to 65535"),
        subscriber: subscriber(fields),
        session_id: fields.text("session_id"),
        mode: fields.choice("mode", &TCP_MODES),
        wait_for: fields.text("wait_for"),
        timeout: fields.time("timeout"),
        on_timeout: fields.choice("on_timeout", &TIMEOUT_ACTIONS),
        connect_timeout: fields.time("connect_timeout"),
        // The gateway starts whether the peer is there or not; the subscriber is told.
        no_wait: true,
        allow_half_open: fields.flag("allow_half_open").unwrap_or_default(),
        orphan_timeout: orphan_timeout(fields),
        request_id: String::new(),
    };
    check_pattern(fields, &request.wait_for, request.mode(), limits);
    declared(fields, None, api::connect_spec(request))
}

const ANY_PORT: &str = "0 to 65535; 0 picks a free one";

fn subscriber(fields: &mut Fields<'_>) -> String {
    fields.required_text("subscriber", "the name of who gets the events and the data")
}

/// Where callers have namespaces: in which of them it lives.
fn owner(fields: &mut Fields<'_>) -> Arc<Caller> {
    let namespace = fields.text("namespace");
    if !namespace.is_empty() && !is_namespace(&namespace) {
        fields.fault("namespace", "must have at most 128 bytes and no control characters");
    }
    Caller::declared(&namespace)
}

fn orphan_timeout(fields: &mut Fields<'_>) -> Option<prost_types::Duration> {
    Some(fields.time("orphan_timeout").unwrap_or_default())
}

fn declared<S>(fields: &mut Fields<'_>, name: Option<String>, parsed: Result<S, Error>) -> Option<Declared<S>> {
    let owner = owner(fields);
    match parsed {
        Ok(spec) => Some(Declared { spec, owner, origin: fields.start().clone(), name }),
        Err(error) => {
            fields.take_over(error.violations());
            None
        }
    }
}

/// Calls learn of a bad pattern when they make it; a declaration must not wait for that.
fn check_pattern(fields: &mut Fields<'_>, pattern: &str, mode: proto::TcpMode, limits: &Limits) {
    if pattern.is_empty() {
        return;
    }
    if mode != proto::TcpMode::Line && fields.is_good("mode") {
        fields.fault("wait_for", "needs mode = \"line\"");
    }
    if let Err(error) = WaitFor::compile(pattern, &limits.pattern()) {
        fields.fault("wait_for", error);
    }
}
