//! Multicast, broadcast and a pulled cable, between two gateways in two network namespaces.
//!
//! Datagrams keep their order on the wire, so "nothing came" is shown by what came next: there is nothing to wait for.

use serde_json::{Value, json};

use crate::support::{
    grpcurl::Envelopes,
    namespaces::{BROADCAST, LEFT, RIGHT, Side, WIRE, Wire},
};

const PORT: u16 = 4000;
const GROUP: &str = "239.1.2.3";
const OTHER_GROUP: &str = "239.1.2.4";
const GROUP_V6: &str = "ff02::4d43";

impl Side {
    /// Binds the port, in a group or in none, for a subscriber that is listened to.
    fn receive(&self, subscriber: &str, group: Option<&str>) -> Envelopes {
        let groups: Vec<_> = group.iter().map(|group| json!({ "address": group, "interface": WIRE })).collect();
        let request = json!({
            "port": PORT, "multicast_groups": groups, "mode": "UDP_MODE_UTF8", "subscriber": subscriber,
        });
        let bound = self.grpcurl.call("UdpIn", &request);
        assert_eq!(bound["listening"]["localPort"], PORT, "{bound}");
        let mut envelopes = self.grpcurl.subscribe(&json!({ "subscriber": subscriber }));
        envelopes.expect("LISTENING");
        envelopes
    }

    fn send(&self, host: &str, text: &str) {
        self.send_with(host, text, json!({}));
    }

    fn send_with(&self, host: &str, text: &str, options: Value) {
        let sent = self.grpcurl.call("UdpOut", &datagram(host, text, options));
        assert_eq!(sent["bytes"], text.len(), "{sent}");
    }
}

fn datagram(host: &str, text: &str, options: Value) -> Value {
    let mut request = json!({
        "host": host, "port": PORT, "payload": { "text": text }, "multicast_interface": WIRE,
    });
    let Value::Object(options) = options else { panic!("options are an object") };
    request.as_object_mut().expect("it is one").extend(options);
    request
}

impl Envelopes {
    /// The next datagram's text.
    fn hears(&mut self) -> String {
        let datagram = self.datagram();
        datagram["text"].as_str().unwrap_or_else(|| panic!("not text: {datagram}")).to_owned()
    }
}

#[test]
fn multicast_crosses_the_wire_by_the_interface_named() {
    let wire = Wire::lay();
    let mut receiver = wire.right.receive("", Some(GROUP));
    wire.left.send(GROUP, "hello");
    let datagram = receiver.datagram();
    assert_eq!((&datagram["remoteHost"], &datagram["text"]), (&json!(LEFT), &json!("hello")));

    // An address of the interface names it as well.
    wire.left.send_with(GROUP, "by address", json!({ "multicast_interface": LEFT }));
    assert_eq!(receiver.hears(), "by address");

    // Without a name the system has to choose, and has no route.
    let status = wire.left.grpcurl.refused("UdpOut", &datagram_without_interface());
    assert_eq!(status["details"][0]["reason"], "UDP_SEND_FAILED", "{status}");
    assert_eq!(status["details"][0]["metadata"]["errno"], "ENETUNREACH", "{status}");
}

fn datagram_without_interface() -> Value {
    datagram(GROUP, "lost", json!({ "multicast_interface": "" }))
}

#[test]
fn multicast_has_a_time_to_live_of_one_unless_told_otherwise() {
    let wire = Wire::lay();
    wire.right.drop_inbound("ip ttl != 1 ip daddr 239.0.0.0/8");
    let mut receiver = wire.right.receive("", Some(GROUP));
    wire.left.send_with(GROUP, "dropped on the way in", json!({ "multicast_ttl": 5 }));
    wire.left.send_with(GROUP, "stays in its host", json!({ "multicast_ttl": 0 }));
    wire.left.send(GROUP, "one by default");
    assert_eq!(receiver.hears(), "one by default");
}

#[test]
fn a_socket_of_the_same_port_in_another_group_gets_nothing_of_this_group() {
    let wire = Wire::lay();
    let mut member = wire.right.receive("member", Some(GROUP));
    let mut other = wire.right.receive("other", Some(OTHER_GROUP));
    wire.left.send(GROUP, "for the members");
    wire.left.send(OTHER_GROUP, "for the others");
    assert_eq!(member.hears(), "for the members");
    assert_eq!(other.hears(), "for the others");
    wire.left.send(GROUP, "again");
    assert_eq!(member.hears(), "again", "nothing of the other group came between");
}

#[test]
fn the_sender_s_host_gets_its_multicast_only_with_loopback() {
    let wire = Wire::lay();
    let mut here = wire.left.receive("", Some(GROUP));
    let mut there = wire.right.receive("", Some(GROUP));
    wire.left.send_with(GROUP, "without", json!({ "multicast_loopback": false }));
    wire.left.send_with(GROUP, "with", json!({ "multicast_loopback": true }));
    wire.left.send(GROUP, "by default");
    assert_eq!([here.hears(), here.hears()], ["with", "by default"]);
    assert_eq!([there.hears(), there.hears(), there.hears()], ["without", "with", "by default"]);
}

#[test]
fn ipv6_multicast_crosses_the_wire() {
    let wire = Wire::lay();
    let mut receiver = wire.right.receive("", Some(GROUP_V6));
    wire.left.send(GROUP_V6, "hello, six");
    let datagram = receiver.datagram();
    assert_eq!(datagram["text"], "hello, six");
    assert!(datagram["remoteHost"].as_str().is_some_and(|host| host.starts_with("fe80::")), "{datagram}");
}

#[test]
fn broadcast_reaches_the_network_and_only_with_permission() {
    let wire = Wire::lay();
    let mut receiver = wire.right.receive("", None);
    let status = wire.left.grpcurl.refused("UdpOut", &datagram(BROADCAST, "not allowed", json!({})));
    assert_eq!(status["details"][0]["reason"], "UDP_SEND_FAILED", "{status}");
    assert_eq!(status["details"][0]["metadata"]["errno"], "EACCES", "{status}");
    wire.left.send_with(BROADCAST, "to everybody", json!({ "broadcast": true }));
    assert_eq!(receiver.hears(), "to everybody");
}

#[test]
fn a_pulled_cable_loses_no_byte_of_a_connection() {
    const SENDS: usize = 24;
    const LINES: usize = 2_000;
    let wire = Wire::lay();
    let listen = json!({ "host": RIGHT, "port": PORT });
    wire.right.grpcurl.call("TcpListen", &listen);
    let mut inbound = wire.right.grpcurl.subscribe(&json!({ "payload_format": "PAYLOAD_FORMAT_TEXT" }));
    let connect = json!({ "host": RIGHT, "port": PORT, "session_id": "cable" });
    wire.left.grpcurl.call("TcpConnect", &connect);

    // Every line tells its number, so that a missing or doubled one shows.
    let text_of = |send: usize| (0..LINES).map(|line| format!("{:08}\n", send * LINES + line)).collect::<String>();
    let send = |number: usize| {
        let request = json!({ "session_id": "cable", "payload": [{ "text": text_of(number) }] });
        wire.left.grpcurl.call("TcpSend", &request);
    };
    let (before, rest) = (0..SENDS / 3, SENDS / 3..SENDS);
    before.for_each(&send);
    wire.right.set_wire("down");
    // The system's buffer may fill up while the cable is out: then a send waits, and must not hold up the repair.
    std::thread::scope(|scope| {
        scope.spawn(|| rest.for_each(&send));
        std::thread::sleep(std::time::Duration::from_millis(700));
        wire.right.set_wire("up");
    });
    wire.left.grpcurl.call("TcpDisconnect", &json!({ "session_id": "cable" }));

    let mut received = String::new();
    let ended = loop {
        let mut envelope = inbound.next();
        if envelope["event"] == "EVENT_DISCONNECTED" {
            break envelope["disconnected"].take();
        }
        received.push_str(envelope["data"]["text"].as_str().unwrap_or_default());
    };
    let sent: String = (0..SENDS).map(text_of).collect();
    assert!(received == sent, "{} bytes came of {}", received.len(), sent.len());
    assert_eq!(ended["bytesReceived"], sent.len().to_string());
    assert_eq!(ended["reason"], "CLOSE_REASON_PEER_CLOSED");
}
