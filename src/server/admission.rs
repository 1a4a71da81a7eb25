//! Which gRPC connections come in: so many in all, so many from one address, so many that have not said yet that they speak HTTP/2.
//!
//! Beyond the first two a connection is closed at once, because one that waits in the kernel's queue holds its client up as long
//! as somebody else likes. Beyond the third the oldest silent one is closed: a good client is done in a moment, so whoever dawdles
//! pays for the crowd, and new clients come in during a flood of silent connections.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{error::Error, limits::LiveLimits};

/// The table of gRPC connections.
pub(super) struct Admission {
    limits: Arc<LiveLimits>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    connections: usize,
    by_peer: HashMap<IpAddr, usize>,
    /// The connections that have not finished their handshake, oldest first.
    handshakes: BTreeMap<u64, CancellationToken>,
    next: u64,
}

/// A connection's place; free again when it is dropped.
pub(super) struct Place {
    admission: Arc<Admission>,
    peer: IpAddr,
    number: u64,
    /// Cancelled when the place is needed for another while the handshake is not finished.
    pub(super) pushed_out: CancellationToken,
}

impl Admission {
    pub(super) fn new(limits: Arc<LiveLimits>) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default() })
    }

    /// A place for a connection of this peer.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Error> {
        let limits = self.limits.now();
        let mut table = self.table();
        if table.connections >= limits.grpc_connections {
            return Err(Error::limit("grpc_connections", limits.grpc_connections, "too many gRPC connections"));
        }
        let of_peer = table.by_peer.get(&peer).copied().unwrap_or_default();
        if of_peer >= limits.grpc_connections_per_peer {
            let most = limits.grpc_connections_per_peer;
            return Err(Error::limit("grpc_connections_per_peer", most, "too many gRPC connections of one address"));
        }
        if table.handshakes.len() >= limits.grpc_handshakes
            && let Some((_, oldest)) = table.handshakes.pop_first()
        {
            oldest.cancel();
        }
        table.connections += 1;
        table.by_peer.insert(peer, of_peer + 1);
        let (number, pushed_out) = (table.next, CancellationToken::new());
        table.next += 1;
        table.handshakes.insert(number, pushed_out.clone());
        Ok(Place { admission: Arc::clone(self), peer, number, pushed_out })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The handshake is finished.
    pub(super) fn handshake_done(&self) {
        self.admission.table().handshakes.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.admission.table();
        table.handshakes.remove(&self.number);
        table.connections -= 1;
        if let Some(of_peer) = table.by_peer.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                table.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn admission(change: impl FnOnce(&mut Limits)) -> Arc<Admission> {
        let mut limits = Limits::default();
        change(&mut limits);
        Admission::new(Arc::new(LiveLimits::new(limits)))
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_address_cannot_take_every_place_and_places_come_back() {
        let admission = admission(|limits| (limits.grpc_connections, limits.grpc_connections_per_peer) = (3, 2));
        let places = [HERE, HERE, THERE].map(|peer| admission.admit(peer).expect("a place"));
        let told = |peer| admission.admit(peer).map(|_| ()).expect_err("full").metadata()[0].1.clone();
        assert_eq!(told(THERE), "grpc_connections");
        let [first, second, third] = places;
        drop(third);
        assert_eq!(told(HERE), "grpc_connections_per_peer");
        drop((first, second));
        let table = admission.table();
        assert_eq!((table.connections, table.by_peer.len(), table.handshakes.len()), (0, 0, 0));
    }

    #[test]
    fn the_oldest_silent_connection_goes_and_finished_ones_stay() {
        let admission = admission(|limits| limits.grpc_handshakes = 2);
        let finished = admission.admit(HERE).expect("a place");
        finished.handshake_done();
        let silent: Vec<_> = (0..3).map(|_| admission.admit(HERE).expect("a place")).collect();
        let gone: Vec<_> = silent.iter().map(|place| place.pushed_out.is_cancelled()).collect();
        assert_eq!((gone, finished.pushed_out.is_cancelled()), (vec![true, false, false], false));
    }
}
