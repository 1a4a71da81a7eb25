//! Who calls: tokens, namespaces, TLS, certificates.

use std::{fs, path::Path, process::Command};

use socket_gateway_client::{Error, Gateway, Options, Reason, TcpOptions, Terminator, Tls};
use tonic::Code;

use crate::{
    Scenario, World, farend, open,
    process::Server,
    scenarios,
    sessions::{dial, end, line},
    shown, within,
};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "S01-token" => token,
    "S02-wrong-token" => wrong_token,
    "S03-namespaces" => namespaces,
    "S04-tls" => tls,
    "S05-client-certificate" => client_certificate,
};

const POLICY: &str = "[policy]\nprofile = \"dev\"\n";

fn tokens() -> String {
    let table = |name: &str| {
        let hash = farend::hash(format!("conformance-{name}").as_bytes());
        format!("[[identity.tokens]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n")
    };
    format!("{POLICY}{}{}", table("ann"), table("ben"))
}

fn of(name: &str) -> Options {
    Options::default().token(format!("conformance-{name}"))
}

/// Connects in line mode to the echo, and hears it.
async fn echoes(world: &World, gateway: &Gateway) -> String {
    let session = dial(gateway, world.port("echo"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    within(session.send("hello")).await.expect("sends");
    assert_eq!(line(&session).await, "hello");
    assert!(shown(gateway, session.id()).await.is_some());
    end(&session).await;
    session.id().to_owned()
}

async fn token(world: World) {
    let server = Server::configured(&tokens()).await;
    echoes(&world, &open(&server.address, of("ann")).await).await;
}

async fn wrong_token(_: World) {
    let server = Server::configured(&tokens()).await;
    for options in [Options::default(), Options::default().token("wrong")] {
        let refused = within(Gateway::open_with(&server.address, options)).await.expect_err("is nobody");
        let Error::Gateway(failure) = refused else { panic!("{refused:?}") };
        assert_eq!((failure.reason, failure.code), (Reason::Unauthenticated, Code::Unauthenticated));
    }
}

async fn namespaces(world: World) {
    let server = Server::configured(&tokens()).await;
    let ann = open(&server.address, of("ann").subscriber("same")).await;
    let ben = open(&server.address, of("ben").subscriber("same")).await;
    let shared = TcpOptions::lines().session_id("shared");
    let of_ann = dial(&ann, world.port("answers"), shared.clone()).await.with_terminator(Terminator::Lf);
    let of_ben = dial(&ben, world.port("answers"), shared).await.with_terminator(Terminator::Lf);
    within(of_ann.send("ann")).await.expect("sends");
    within(of_ben.send("ben")).await.expect("sends");
    assert_eq!(line(&of_ann).await, "re: ann");
    assert_eq!(line(&of_ben).await, "re: ben");
    let another = dial(&ann, world.port("silent"), TcpOptions::binary()).await;
    let unknown = within(ben.session(another.id())).await.expect_err("is not there for ben");
    assert_eq!(unknown.reason(), Some(Reason::SessionNotFound));
    for session in [of_ann, of_ben, another] {
        end(&session).await;
    }
}

/// A folder with the suite's certificates.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/certificates");
    assert!(Command::new(script).arg(folder.path()).status().expect("it runs").success());
    folder
}

fn pem(folder: &tempfile::TempDir, name: &str) -> Vec<u8> {
    fs::read(folder.path().join(name)).expect("the script made it")
}

fn with_tls(folder: &tempfile::TempDir, more: &str) -> String {
    let path = folder.path().display();
    format!("[tls]\ncertificate = \"{path}/server.pem\"\nkey = \"{path}/server.key\"\n{more}")
}

async fn unreachable(address: &str, options: Options) {
    let failed = within(Gateway::open_with(address, options)).await.expect_err("does not get through");
    assert!(matches!(failed, Error::Unreachable(_)), "{failed:?}");
}

async fn tls(world: World) {
    let folder = certificates();
    let server = Server::configured(&with_tls(&folder, &tokens())).await;
    let trusting = |name: &str| Tls::trusting(pem(&folder, name)).server_name("localhost");
    echoes(&world, &open(&server.address, of("ann").tls(trusting("ca.pem"))).await).await;
    unreachable(&server.address, of("ann").tls(trusting("other-ca.pem"))).await;
    unreachable(&server.address, of("ann")).await;
}

async fn client_certificate(world: World) {
    let folder = certificates();
    let more = format!(
        "client_ca = \"{}/ca.pem\"\nclient_auth = \"required\"\n{POLICY}[[identity.certificates]]\ndns = \"conformance-client\"\nname = \"ann\"\n",
        folder.path().display()
    );
    let server = Server::configured(&with_tls(&folder, &more)).await;
    let tls = Tls::trusting(pem(&folder, "ca.pem")).server_name("localhost");
    let known = tls.clone().identity(pem(&folder, "client.pem"), pem(&folder, "client.key"));
    echoes(&world, &open(&server.address, Options::default().tls(known)).await).await;
    unreachable(&server.address, Options::default().tls(tls)).await;
}
