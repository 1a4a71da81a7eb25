//! SIGHUP and credentials in the binary: tokens that come and go, and a certificate that is swapped under load.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use socket_gateway::{api::proto, identity::TokenHash};
use tokio_rustls::rustls::{
    ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    credentials::{Authority, Pair},
    process::{File, Running, binary, channel},
    support::{connect_to, eventually, peers::Peer, send, stream::chunk, within},
    world::{Client, Envelopes, assert_refused, client_config, shake_hands, tls_channel},
};

/// A configuration in which these have a token each: "NAME-token", of a namespace.
fn tokens(of: &[(&str, &str)]) -> String {
    let table = |(name, namespace): &(&str, &str)| {
        let hash = TokenHash::of(format!("{name}-token").as_bytes());
        format!("[[identity.tokens]]\nname = \"{name}\"\nnamespace = \"{namespace}\"\nsha256 = \"{hash}\"\n")
    };
    let tables: String = of.iter().map(table).collect();
    format!("policy.profile = \"dev\"\n{tables}")
}

async fn client(address: SocketAddr, name: &str) -> Client {
    Client::over(channel(address).await, &format!("{name}-token"))
}

async fn connected(client: &mut Client, to: SocketAddr, subscriber: &str) -> String {
    let request = proto::TcpConnectRequest { subscriber: subscriber.into(), ..connect_to(to) };
    within(client.sockets.tcp_connect(request)).await.expect("connects").into_inner().session_id
}

/// Reads so many bytes of a session.
async fn bytes(stream: &mut Envelopes, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        for envelope in stream.next().await.expect("the stream goes on") {
            if let Some((_, chunk)) = chunk(&envelope) {
                all.extend_from_slice(chunk);
            }
        }
    }
    all
}

fn reload(gateway: &Running, file: &File, text: &str) {
    file.write(text);
    gateway.signal("HUP");
    gateway.line("reloaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_taken_out_by_sighup_ends_with_its_streams_and_a_new_one_is_let_in() {
    let file = File::new(&tokens(&[("alice", "a"), ("bob", "b")]));
    let (gateway, address) = Running::start(&["--config", file.path()]);
    let echo = Peer::echo().await;
    let (mut alice, mut bob) = (client(address, "alice").await, client(address, "bob").await);
    let mut carol = client(address, "carol").await;
    let session = connected(&mut alice, echo.addr, "kept").await;
    let mut hers = alice.subscribe("").await.expect("subscribes");
    let bobs = connected(&mut bob, echo.addr, "his").await;
    let mut his = bob.subscribe("his").await.expect("subscribes");
    assert_refused(&carol.looks().await.expect_err("nobody knows her"), "carol");

    reload(&gateway, &file, &tokens(&[("bob", "b"), ("carol", "c")]));
    // Her streams end, and her calls are refused on the very connection that was good before.
    assert_eq!(hers.end().await.code(), Code::Unauthenticated);
    assert_refused(&alice.looks().await.expect_err("taken out"), "alice");
    assert_eq!(carol.looks().await.expect("let in now"), []);
    // Bob has noticed nothing.
    within(bob.sockets.tcp_send(send(&bobs, "his"))).await.expect("sends");
    assert_eq!(bytes(&mut his, 3).await, b"his");

    // What she opened stays, for the next token of her namespace.
    reload(&gateway, &file, &tokens(&[("bob", "b"), ("next", "a")]));
    let mut next = client(address, "next").await;
    let seen = next.looks().await.expect("lists");
    assert_eq!(seen.iter().map(|one| one.session_id.as_str()).collect::<Vec<_>>(), [&session]);
    within(next.sockets.tcp_send(send(&session, "still"))).await.expect("sends");
    let mut kept = next.subscribe("kept").await.expect("subscribes");
    assert_eq!(bytes(&mut kept, 5).await, b"still");
    assert_refused(&carol.looks().await.expect_err("taken out again"), "carol");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_fault_in_its_credentials_changes_nothing_and_the_fault_is_named() {
    let file = File::new(&tokens(&[("alice", "a")]));
    let (gateway, address) = Running::start(&["--config", file.path()]);
    let mut alice = client(address, "alice").await;
    let mut stream = alice.subscribe("").await.expect("subscribes");
    let faulty = tokens(&[("carol", "c")]) + "[[identity.tokens]]\nname = \"dave\"\nsha256 = \"dave-token\"\n";
    for (text, fault) in [
        (faulty.as_str(), ":8: identity.tokens.sha256: must be 64 hexadecimal digits"),
        // Who everybody is cannot change under those who are there.
        ("policy.profile = \"dev\"\n", "identity cannot be introduced or dropped while the gateway runs"),
    ] {
        file.write(text);
        gateway.signal("HUP");
        let told = loop {
            let told = gateway.line("reload refused: ");
            if told["message"].as_str().is_some_and(|message| message.contains(fault)) {
                break told;
            }
        };
        assert!(!told.to_string().contains("dave-token"), "a token in the wrong place is not repeated: {told}");
        let mut carol = client(address, "carol").await;
        assert_refused(&carol.looks().await.expect_err("not let in"), "carol");
        alice.looks().await.expect("as before");
    }
    within(alice.sockets.udp_in(crate::roles::udp_in(""))).await.expect("binds");
    assert!(!stream.next().await.expect("the stream goes on").is_empty());
}

fn put(pair: &Pair, folder: &Path) -> Vec<u8> {
    pair.write(folder);
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate").to_vec()
}

async fn served(address: SocketAddr, config: &Arc<ClientConfig>) -> Vec<u8> {
    let stream = within(shake_hands(address, Arc::clone(config))).await.expect("hands are shaken");
    stream.get_ref().1.peer_certificates().expect("the server has one")[0].to_vec()
}

async fn caller(address: SocketAddr, config: &Arc<ClientConfig>) -> Client {
    let channel = within(tls_channel(address, Arc::clone(config))).await.expect("connects");
    Client::over(channel, "alice-token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_swapped_by_sighup_under_load_and_no_call_fails() {
    let authority = Authority::new("servers");
    let file = File::new("");
    let first = put(&authority.server("the first"), file.folder());
    let (certificate, key) = (file.folder().join("tls.crt"), file.folder().join("tls.key"));
    // Nothing but SIGHUP looks at the files; health on its own port is plain, and tells how the process is whatever becomes of TLS.
    file.write(&format!(
        "identity.poll_interval = \"0s\"\nhealth.listen = \"127.0.0.1:0\"\ntls.certificate = {certificate:?}\n\
         tls.key = {key:?}\n{}",
        tokens(&[("alice", "a")])
    ));
    let gateway = Running::spawn(binary().args(["--listen", "127.0.0.1:0", "--config", file.path()]));
    let address = gateway.ready();
    let health = crate::process::address(&gateway.line("health alone is told here"));
    let trusted = client_config(&authority.pem(), None);
    assert_eq!(served(address, &trusted).await, first);

    let echo = Peer::echo().await;
    let mut alice = caller(address, &trusted).await;
    let session = connected(&mut alice, echo.addr, "kept").await;
    let mut stream = alice.subscribe("kept").await.expect("subscribes");
    // One calls on the connection from before; another comes anew again and again.
    let (over, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let load = tokio::spawn({
        let (over, calls, mut alice, session) = (Arc::clone(&over), Arc::clone(&calls), alice.clone(), session.clone());
        async move {
            while !over.load(Ordering::Relaxed) {
                within(alice.sockets.tcp_send(send(&session, "x"))).await.expect("no call fails");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let coming = tokio::spawn({
        let (over, trusted) = (Arc::clone(&over), Arc::clone(&trusted));
        async move {
            let mut came = 0;
            while !over.load(Ordering::Relaxed) {
                caller(address, &trusted).await.looks().await.expect("no call fails");
                came += 1;
            }
            came
        }
    });
    let goes_on = || async {
        let before = calls.load(Ordering::Relaxed);
        eventually("the load goes on", || async { calls.load(Ordering::Relaxed) > before + 20 }).await;
    };
    goes_on().await;

    // A key that is not the certificate's: everything stays, and the fault is named.
    let good = std::fs::read(&key).expect("readable");
    std::fs::write(&key, authority.server("another").key).expect("written");
    gateway.signal("HUP");
    let told = gateway.line("reload refused: ");
    assert!(told.to_string().contains("is not the key of the certificate"), "{told}");
    assert_eq!(served(address, &trusted).await, first);
    goes_on().await;
    std::fs::write(&key, good).expect("written");

    for name in ["the second", "the third", "the fourth"] {
        let next = put(&authority.server(name), file.folder());
        gateway.signal("HUP");
        gateway.line("reloaded");
        assert_eq!(served(address, &trusted).await, next, "a new handshake sees the new certificate");
        goes_on().await;
    }
    over.store(true, Ordering::Relaxed);
    within(load).await.expect("no call failed");
    assert!(within(coming).await.expect("nobody was kept out") > 0);
    let sent = calls.load(Ordering::Relaxed);
    assert_eq!(bytes(&mut stream, sent).await, vec![b'x'; sent], "the stream from before has all of it");
    let mut probe = HealthClient::new(channel(health).await);
    let said = within(probe.check(HealthCheckRequest::default())).await.expect("health answers").into_inner();
    assert_eq!(said.status(), ServingStatus::Serving);
}
