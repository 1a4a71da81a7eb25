//! Opening what is declared. The declarations were checked; what the system refuses is told for all of them together.

use std::{fmt, net::TcpListener, sync::Arc};

use super::{
    declarations::{Declarations, Declared, TCP_CONNECT, TCP_LISTEN, UDP_IN},
    fault::{Fault, Faults},
};
use crate::{error::Error, gateway::Gateway};

/// Opens every declaration for its subscriber; a listener for whose name there is an inherited socket takes that. Connections are made in the background: one that is refused is an event of its
/// subscriber and no fault.
///
/// # Errors
/// Everything that could not be opened; the rest is open by then.
pub async fn open(
    gateway: &Arc<Gateway>,
    declarations: &Declarations,
    mut inherited: impl FnMut(&str) -> Option<TcpListener>,
) -> Result<(), Faults> {
    let mut faults = Vec::new();
    for listener in &declarations.tcp_listen {
        let socket = listener.name.as_deref().and_then(&mut inherited);
        let opened = gateway.listen_on(&listener.owner, listener.spec.clone(), socket).await;
        told(TCP_LISTEN, listener, opened.map(|open| open.local), &mut faults);
    }
    for socket in &declarations.udp_in {
        let opened = gateway.udp_in(&socket.owner, socket.spec.clone());
        told(UDP_IN, socket, opened.map(|bound| bound.local), &mut faults);
    }
    for connection in &declarations.tcp_connect {
        let opened = gateway.connect(&connection.owner, connection.spec.clone()).await;
        let to = format!("{}:{}", connection.spec.host, connection.spec.port);
        told(TCP_CONNECT, connection, opened.map(|_| to), &mut faults);
    }
    Faults::check(faults)
}

fn told<S>(kind: &str, declared: &Declared<S>, opened: Result<impl fmt::Display, Error>, faults: &mut Vec<Fault>) {
    let Declared { origin, name, .. } = declared;
    match opened {
        Ok(address) => tracing::info!(kind, %address, name, declared = %origin, "opened at start"),
        Err(error) => {
            let message = match name {
                Some(name) => format!("{kind} \"{name}\": {}", error.message()),
                None => format!("{kind}: {}", error.message()),
            };
            faults.push(Fault { origin: origin.clone(), message });
        }
    }
}
