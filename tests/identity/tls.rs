use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use socket_gateway::{
    credentials::{ClientAuth, Sources, TlsFiles},
    identity::{KnownCertificate, NamePattern, Role},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    credentials::{Authority, Pair},
    support::{connect_to, eventually, peers::Peer, send, within},
    world::{ALICE, MALLORY, World, assert_refused, client_config, everybody, shake_hands},
};

struct Setup {
    servers: Authority,
    clients: Authority,
    folder: TempDir,
}

impl Setup {
    fn new() -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        Self { servers, clients, folder: tempfile::tempdir().expect("a folder") }
    }

    fn sources(&self, client_auth: ClientAuth) -> Sources {
        let (certificate, key) = self.servers.server("the first").write(self.folder.path());
        let client_ca = self.folder.path().join("clients.crt");
        std::fs::write(&client_ca, self.clients.pem()).expect("written");
        let client_ca = (client_auth != ClientAuth::Off).then_some(client_ca);
        let of = |pattern: NamePattern, name: Option<&str>| KnownCertificate {
            pattern,
            name: name.map(Into::into),
            namespace: name.map(Into::into),
            role: Role::User,
        };
        let certificates = match client_auth {
            ClientAuth::Off => Vec::new(),
            _ => vec![
                of(NamePattern::uri("spiffe://example.org/ns/alice").expect("good"), Some("alice")),
                of(NamePattern::dns("*.clients.example.org").expect("good"), None),
            ],
        };
        let tls = Some(TlsFiles { certificate, key, client_ca, client_auth });
        Sources { tls, tokens: everybody(), issuers: Vec::new(), certificates }
    }

    async fn looks(&self, world: &World, pair: Option<&Pair>, token: &str) -> Result<String, String> {
        let config = client_config(&self.servers.pem(), pair);
        let mut client = within(world.tls_client(config, token)).await.map_err(|error| format!("TLS: {error:?}"))?;
        // In TLS 1.3 a client learns only with the first answer that its certificate was refused.
        let opened = within(client.sockets.udp_in(crate::roles::udp_in(""))).await;
        let id = opened.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?.into_inner().session_id;
        let seen = client.looks().await.map_err(|status| status.to_string())?;
        Ok(seen.into_iter().find(|one| one.session_id == id).expect("its own").owner)
    }
}

#[tokio::test]
async fn tokens_come_over_tls_and_plaintext_gets_nowhere() {
    let setup = Setup::new();
    let world = World::start(setup.sources(ClientAuth::Off));
    assert_eq!(setup.looks(&world, None, ALICE).await.expect("good"), "alice");
    assert!(setup.looks(&world, None, "wrong").await.expect_err("no good").starts_with("Unauthenticated"));
    let mut plain = world.addr.to_string();
    plain.insert_str(0, "http://");
    let channel = tonic::transport::Endpoint::from_shared(plain).expect("an address").connect_lazy();
    let refused = crate::world::Client::over(channel, ALICE).looks().await.expect_err("it speaks TLS");
    assert_ne!(refused.code(), tonic::Code::Unauthenticated);
    // Somebody who does not trust the authority goes away by itself.
    let stranger = client_config(&Authority::new("others").pem(), None);
    assert!(world.tls_client(stranger, ALICE).await.is_err());
    let failures = || world.gateway.metrics.doors.handshake_failures.get();
    eventually("both are counted", || async { failures() >= 2 }).await;
}

#[tokio::test]
async fn a_client_is_known_by_the_names_in_its_certificate() {
    let setup = Setup::new();
    let world = World::start(setup.sources(ClientAuth::Required));
    let uri = setup.clients.client_with_uri("spiffe://example.org/ns/alice");
    assert_eq!(setup.looks(&world, Some(&uri), "").await.expect("known"), "alice");
    let dns = setup.clients.client_with_dns("Robot.clients.example.org");
    assert_eq!(setup.looks(&world, Some(&dns), "").await.expect("known"), "robot.clients.example.org");
    // A token goes before the certificate, and one that is no good is not made up for by it.
    assert_eq!(setup.looks(&world, Some(&uri), MALLORY).await.expect("known"), "mallory");
    assert!(setup.looks(&world, Some(&uri), "wrong").await.expect_err("no good").starts_with("Unauthenticated"));
    // Of the right authority, with a name that nobody knows.
    for unknown in ["spiffe://example.org/ns/alice2", "spiffe://example.org/ns", "spiffe://evil.org/ns/alice"] {
        let pair = setup.clients.client_with_uri(unknown);
        assert!(setup.looks(&world, Some(&pair), "").await.expect_err(unknown).starts_with("Unauthenticated"));
    }
}

#[tokio::test]
async fn no_certificate_a_wrong_one_and_an_expired_one_do_not_get_through_the_handshake() {
    let setup = Setup::new();
    let world = World::start(setup.sources(ClientAuth::Required));
    let name = "spiffe://example.org/ns/alice";
    let pairs = [
        ("none", None),
        ("of another authority", Some(Authority::new("clients").client_with_uri(name))),
        ("of the servers' authority", Some(setup.servers.client_with_uri(name))),
        ("expired", Some(setup.clients.expired_client(name))),
        ("of a server", Some(setup.clients.server("a server"))),
    ];
    for (what, pair) in pairs {
        let refused = setup.looks(&world, pair.as_ref(), ALICE).await.expect_err(what);
        assert!(!refused.starts_with("Unauthenticated") && !refused.starts_with("Permission"), "{what}: {refused}");
    }
    setup.looks(&world, Some(&setup.clients.client_with_uri(name)), "").await.expect("the good one is good");
}

#[tokio::test]
async fn where_certificates_are_optional_a_token_will_do_and_a_bad_certificate_will_not() {
    let setup = Setup::new();
    let world = World::start(setup.sources(ClientAuth::Optional));
    let name = "spiffe://example.org/ns/alice";
    assert_eq!(setup.looks(&world, None, MALLORY).await.expect("a token will do"), "mallory");
    assert_eq!(setup.looks(&world, Some(&setup.clients.client_with_uri(name)), "").await.expect("known"), "alice");
    assert!(setup.looks(&world, None, "").await.expect_err("neither").starts_with("Unauthenticated"));
    let expired = setup.clients.expired_client(name);
    let refused = setup.looks(&world, Some(&expired), MALLORY).await.expect_err("no good");
    assert!(!refused.starts_with("Unauthenticated"), "{refused}");
}

async fn served_certificate(world: &World, setup: &Setup) -> Vec<u8> {
    let stream =
        within(shake_hands(world.addr, client_config(&setup.servers.pem(), None))).await.expect("hands are shaken");
    stream.get_ref().1.peer_certificates().expect("the server has one")[0].to_vec()
}

fn der(pair: &Pair) -> Vec<u8> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate").to_vec()
}

/// As Kubernetes puts a new secret in place: all of it at once, by a symbolic link.
fn swap(folder: &Path, version: &str, pair: &Pair) {
    let data = folder.join(version);
    std::fs::create_dir(&data).expect("a folder");
    pair.write(&data);
    std::os::unix::fs::symlink(version, folder.join("..new")).expect("a link");
    std::fs::rename(folder.join("..new"), folder.join("..data")).expect("in place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_swapped_under_load_and_living_connections_go_on() {
    let setup = Setup::new();
    let folder = setup.folder.path();
    let (first, second) = (setup.servers.server("the first"), setup.servers.server("the second"));
    swap(folder, "v1", &first);
    let files = TlsFiles {
        certificate: folder.join("..data/tls.crt"),
        key: folder.join("..data/tls.key"),
        client_ca: None,
        client_auth: ClientAuth::Off,
    };
    let world = World::start(Sources { tls: Some(files), tokens: everybody(), ..Sources::default() });
    let polling = tokio::spawn(Arc::clone(&world.live).watch_files(Duration::from_millis(20)));
    assert_eq!(served_certificate(&world, &setup).await, der(&first));

    let echo = Peer::echo().await;
    let mut client =
        world.tls_client(client_config(&setup.servers.pem(), None), ALICE).await.expect("connects before the swap");
    let id = within(client.sockets.tcp_connect(connect_to(echo.addr))).await.expect("connects").into_inner().session_id;
    let mut stream = client.subscribe("kept").await.expect("subscribes");
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = {
        let (stop, calls, mut client, id) = (Arc::clone(&stop), Arc::clone(&calls), client.clone(), id.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                client.sockets.tcp_send(send(&id, "ping")).await.expect("no call fails");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    // A key without its certificate is no good, and what was there stays in force.
    let broken = Pair { certificate: first.certificate.clone(), key: second.key.clone() };
    swap(folder, "v2", &broken);
    eventually("load goes on", || async { calls.load(Ordering::Relaxed) > 20 }).await;
    assert_eq!(served_certificate(&world, &setup).await, der(&first));
    swap(folder, "v3", &second);
    let expected = der(&second);
    eventually("new handshakes see the new certificate", || async {
        served_certificate(&world, &setup).await == expected
    })
    .await;
    let before = calls.load(Ordering::Relaxed);
    eventually("load goes on after the swap", || async { calls.load(Ordering::Relaxed) > before + 20 }).await;
    stop.store(true, Ordering::Relaxed);
    within(load).await.expect("no call failed");
    // The stream from before the swap still delivers.
    let claim = socket_gateway::api::proto::ClaimDataRequest {
        session_id: id.clone(),
        subscriber: "kept".into(),
        ..Default::default()
    };
    within(client.sessions.claim_data(claim)).await.expect("moves");
    within(client.sockets.tcp_send(send(&id, "still"))).await.expect("sends");
    assert!(!stream.next().await.expect("delivers").is_empty());
    polling.abort();
}

#[tokio::test]
async fn slow_handshakes_are_cut_and_hold_up_nobody() {
    let setup = Setup::new();
    let deadline = Duration::from_millis(700);
    let world = World::with(
        setup.sources(ClientAuth::Off),
        |_| (),
        |limits| {
            (limits.grpc_preface_timeout, limits.grpc_handshakes) = (deadline, 8);
        },
    );
    // More silent ones than may shake hands at once, and as many that drip.
    let mut silent = Vec::new();
    for at in 0..24_usize {
        let mut stream = TcpStream::connect(world.addr).await.expect("connects");
        if at % 2 == 0 {
            stream.write_all(&[0x16, 0x03, 0x01]).await.expect("the beginning of a hello");
        }
        silent.push(stream);
    }
    let good = setup.looks(&world, None, ALICE).await;
    assert_eq!(good.expect("a good client comes through"), "alice");
    for mut stream in silent {
        let mut rest = Vec::new();
        // It ends, with an alert or without, by FIN or by RST.
        let _ = within(stream.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn the_oldest_of_too_many_slow_handshakes_gives_way_and_good_clients_come_in() {
    let setup = Setup::new();
    // With so much time nothing but their number ends them.
    let world = World::with(
        setup.sources(ClientAuth::Off),
        |_| (),
        |limits| (limits.grpc_preface_timeout, limits.grpc_handshakes) = (Duration::from_secs(3600), 4),
    );
    let slow = || async {
        let mut stream = TcpStream::connect(world.addr).await.expect("connects");
        stream.write_all(&[0x16, 0x03, 0x01]).await.expect("the beginning of a hello");
        stream
    };
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(slow().await);
    }
    let failures = || world.gateway.metrics.doors.handshake_failures.get();
    eventually("the oldest gave way to the fifth", || async { failures() == 1 }).await;
    for _ in 0..3 {
        assert_eq!(setup.looks(&world, None, ALICE).await.expect("a good client comes in"), "alice");
    }
    // The next oldest gave way to the first of them, and was enough: who is done with the handshake holds up no other.
    assert_eq!(failures(), 2);
    for (at, stream) in streams.iter_mut().enumerate() {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_millis(100), stream.read_to_end(&mut rest)).await;
        assert_eq!(ended.is_ok(), at < 2, "{at}");
    }
}

#[tokio::test]
async fn a_connection_that_shakes_hands_and_says_no_more_is_cut_as_well() {
    let setup = Setup::new();
    let world = World::with(
        setup.sources(ClientAuth::Off),
        |_| (),
        |limits| {
            limits.grpc_preface_timeout = Duration::from_millis(500);
        },
    );
    let mut stream = within(shake_hands(world.addr, client_config(&setup.servers.pem(), None))).await.expect("hands");
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn http_1_is_no_protocol_of_the_port() {
    let setup = Setup::new();
    let world = World::start(setup.sources(ClientAuth::Off));
    let mut config = (*client_config(&setup.servers.pem(), None)).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert!(within(shake_hands(world.addr, Arc::new(config))).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_is_withdrawn_ends_the_streams_of_its_caller() {
    let setup = Setup::new();
    let world = World::start(setup.sources(ClientAuth::Required));
    let pair = setup.clients.client_with_uri("spiffe://example.org/ns/alice");
    let mut client = world.tls_client(client_config(&setup.servers.pem(), Some(&pair)), "").await.expect("connects");
    let mut stream = client.subscribe("").await.expect("subscribes");
    let mut sources = setup.sources(ClientAuth::Required);
    sources.certificates.remove(0);
    world.live.prepare(sources).expect("good")();
    assert_eq!(stream.end().await.code(), tonic::Code::Unauthenticated);
    assert_refused(&client.looks().await.expect_err("unknown now"), "withdrawn");
}
