//! UdpIn and UdpOut requests become specs.

use bytes::Bytes;

use super::{
    parse::{bind_address, on_timeout, request_key, session_id},
    parse_fields::Faults,
    proto,
};
use crate::{
    error::{Error, Reason},
    gateway::{DatagramSpec, UdpInSpec},
    limits::fixed,
    net::udp::{Membership, SendOptions, interface_index},
    session::OnTimeout,
};

fn membership(faults: &mut Faults, at: usize, group: &proto::MulticastGroup) -> Option<Membership> {
    let field = format!("multicast_groups[{at}]");
    let address = match group.address.parse::<std::net::IpAddr>() {
        Ok(address) if address.is_multicast() => address,
        _ => {
            faults.add(&field, "address is no multicast address, like \"239.1.2.3\" or \"ff02::1234\"");
            return None;
        }
    };
    Some(Membership { group: address, interface: interface(faults, &field, &group.interface) })
}

fn interface(faults: &mut Faults, field: &str, text: &str) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let index = interface_index(text);
    if index.is_none() {
        faults.add(field, format!("\"{}\" is no interface of this machine", crate::error::shortened(text)));
    }
    index
}

/// # Errors
/// LISTEN_INVALID with every bad field.
pub fn udp_in_spec(request: proto::UdpInRequest) -> Result<UdpInSpec, Error> {
    let mut faults = Faults::default();
    let port = faults.port("port", request.port, true);
    faults.name("subscriber", &request.subscriber);
    faults.name("session_id", &request.session_id);
    faults.name("request_id", &request.request_id);
    if request.multicast_groups.len() > fixed::MULTICAST_GROUPS {
        faults.add("multicast_groups", format!("are more than {}", fixed::MULTICAST_GROUPS));
    }
    let groups: Vec<Membership> = request
        .multicast_groups
        .iter()
        .take(fixed::MULTICAST_GROUPS)
        .enumerate()
        .filter_map(|(at, group)| membership(&mut faults, at, group))
        .collect();
    let ipv6 = groups.iter().any(|membership| membership.group.is_ipv6());
    if ipv6 && groups.iter().any(|membership| membership.group.is_ipv4()) {
        faults.add("multicast_groups", "are of both IPv4 and IPv6: bind a socket for each");
    }
    let address = bind_address(&mut faults, &request.host, port, ipv6);
    if address.is_ipv6() != ipv6 && !groups.is_empty() {
        faults.add("host", "is of another family than the multicast groups");
    }
    let mode: Option<proto::UdpMode> = faults.known("mode", request.mode);
    let orphan_timeout = faults.duration("orphan_timeout", request.orphan_timeout.as_ref(), fixed::SESSION_TIMEOUT);
    let timeout = faults.duration("timeout", request.timeout.as_ref(), fixed::SESSION_TIMEOUT);
    let on_timeout = on_timeout(&mut faults, request.on_timeout).unwrap_or(OnTimeout::Keep);
    faults.check(Reason::ListenInvalid)?;
    Ok(UdpInSpec {
        address,
        utf8: mode == Some(proto::UdpMode::Utf8),
        reuse_address: request.reuse_address.unwrap_or(!groups.is_empty()),
        groups,
        orphan_timeout,
        timeout: timeout.filter(|timeout| !timeout.is_zero()),
        on_timeout,
        request: request_key("udp", &request.subscriber, &request.request_id, &request),
        subscriber: request.subscriber,
        session_id: session_id(request.session_id),
    })
}

/// # Errors
/// SEND_INVALID with every bad field, PAYLOAD_INVALID where only the payload is at fault.
pub(super) fn datagram_spec(request: proto::UdpOutRequest) -> Result<DatagramSpec, Error> {
    use proto::payload_item::Item;
    let mut faults = Faults::default();
    faults.host("host", &request.host);
    let port = faults.port("port", request.port, false);
    faults.name("subscriber", &request.subscriber);
    let ttl = request.multicast_ttl.map(|ttl| u8::try_from(ttl).map_err(|_| ttl));
    if let Some(Err(ttl)) = ttl {
        faults.add("multicast_ttl", format!("{ttl} is out of range: 0 to 255"));
    }
    let multicast_interface = interface(&mut faults, "multicast_interface", &request.multicast_interface);
    let reason = if faults.is_empty() { Reason::PayloadInvalid } else { Reason::SendInvalid };
    let payload = match request.payload.and_then(|payload| payload.item) {
        Some(Item::Text(text)) => Bytes::from(text),
        Some(Item::Bytes(bytes)) => bytes,
        None => {
            faults.add("payload", "is required: {\"text\": …} or {\"bytes\": …}; it may be empty");
            Bytes::new()
        }
    };
    if payload.len() > fixed::DATAGRAM_BYTES {
        faults.add("payload", format!("has {} bytes, more than {}", payload.len(), fixed::DATAGRAM_BYTES));
    }
    faults.check(reason)?;
    Ok(DatagramSpec {
        host: request.host,
        port,
        payload,
        options: SendOptions {
            broadcast: request.broadcast,
            multicast_ttl: ttl.and_then(Result::ok),
            multicast_loopback: request.multicast_loopback,
            multicast_interface,
        },
        session_id: (!request.session_id.is_empty()).then_some(request.session_id),
        subscriber: request.subscriber,
        emit_sent: request.emit_sent,
    })
}
