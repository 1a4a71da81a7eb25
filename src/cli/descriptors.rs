//! The file descriptors of this process, and what the limits make of them.

use crate::{limits::Limits, net::descriptors};

/// Sessions, listeners and gRPC connections take a file descriptor each. Where there are fewer than the limits allow, the limits are
/// lowered, so that none of them takes what another needs; and who asks for many sessions should know.
pub(super) fn fit_descriptors(limits: &mut Limits) {
    let descriptors = match descriptors::raise_limit() {
        Ok(descriptors) => usize::try_from(descriptors).unwrap_or(usize::MAX),
        Err(error) => return tracing::warn!(%error, "the limit of file descriptors could not be raised"),
    };
    let wanted = limits.sessions + limits.listeners + limits.grpc_connections;
    if limits.fit(descriptors) {
        let Limits { sessions, listeners, grpc_connections, .. } = *limits;
        tracing::warn!(
            descriptors,
            wanted,
            sessions,
            listeners,
            grpc_connections,
            "fewer file descriptors than the limits allow sessions, listeners and connections, which are lowered: raise the hard \
             limit (ulimit -Hn)"
        );
    }
}
