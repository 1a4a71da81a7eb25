//! Tests of the way down.

use std::{net::Ipv4Addr, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::Server;
use crate::{
    api::{proto, udp_in_spec},
    gateway::Gateway,
    identity::Caller,
    limits::Limits,
};

/// Without connections the gRPC server has nothing to wait for. Where it ended before the sessions it was a race, hence the rounds.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_drained_even_where_no_client_is_connected() {
    for round in 0..20 {
        let gateway = Gateway::new(Limits::default());
        let server = Server::bind(Arc::clone(&gateway), (Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let request = proto::UdpInRequest { host: "127.0.0.1".to_owned(), ..Default::default() };
        gateway.udp_in(&Caller::local(), udp_in_spec(request).expect("a good request")).expect("a free port");
        let stop = CancellationToken::new();
        let stopping = async {
            tokio::task::yield_now().await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(server.serve(stop.clone(), CancellationToken::new()), stopping);
        ended.expect("an orderly end");
        assert!(gateway.registry.is_draining(), "round {round}");
        assert!(gateway.registry.sessions().is_empty(), "round {round}");
    }
}

/// Every method that is served has its own series; the list in `metrics` cannot see the descriptors.
#[test]
fn metrics_know_every_method_that_is_served() {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    let sets = [
        proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut served = BTreeSet::new();
    for set in sets {
        for file in FileDescriptorSet::decode(set).expect("descriptors").file {
            for service in &file.service {
                for method in &service.method {
                    served.insert(format!("{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
    }
    let known: BTreeSet<String> = crate::metrics::METHODS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(known, served);
}
