use socket_gateway::{api::proto, credentials::Sources, identity::Role};
use tonic::{Request, metadata::MetadataValue};

use crate::{
    support::{connect_to, peers::Peer, within},
    world::{ALICE, Authorization, Client, MALLORY, World, assert_refused, everybody, token},
};

#[tokio::test]
async fn a_token_is_its_caller_and_what_it_opens_belongs_to_its_namespace() {
    let (world, echo) = (World::of_tokens(), Peer::echo().await);
    let mut alice = world.client(ALICE).await;
    let opened = within(alice.sockets.tcp_connect(connect_to(echo.addr))).await.expect("connects").into_inner();
    let seen = alice.looks().await.expect("lists");
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].session_id.as_str(), seen[0].namespace.as_str()), (opened.session_id.as_str(), "alice"));
    assert_eq!(seen[0].owner, "alice");
    assert_eq!(world.client(MALLORY).await.looks().await.expect("lists"), []);
}

#[tokio::test]
async fn whatever_is_no_good_token_is_refused_in_the_same_words() {
    let world = World::of_tokens();
    let channel = world.client("").await.channel;
    let oversized = "x".repeat(9 * 1024);
    let headers = [
        None,
        Some("Bearer wrong"),
        Some("Bearer "),
        Some("Bearer"),
        Some(""),
        Some(ALICE),
        Some("Basic YWxpY2U6YWxpY2U="),
        Some("Bearer alice-toke"),
        Some("Bearer alice-token2"),
        Some("Bearer ALICE-TOKEN"),
        Some("Bearer alice-token, Bearer mallory-token"),
        Some("Negotiate alice-token"),
        Some(oversized.as_str()),
    ];
    for header in headers {
        let mut client = match header {
            None => Client::over(channel.clone(), ""),
            Some(header) => Client::with(channel.clone(), Authorization::of(header)),
        };
        let refused = client.looks().await.expect_err("no good");
        assert_refused(&refused, header.unwrap_or("none"));
    }
    let mut hashed = Client::over(channel, &socket_gateway::identity::TokenHash::of(ALICE.as_bytes()).to_string());
    assert_refused(&hashed.looks().await.expect_err("the hash is no token"), "the hash");
}

#[tokio::test]
async fn two_tokens_in_one_call_are_refused_though_both_are_good() {
    let world = World::of_tokens();
    let mut client = world.client("").await;
    let mut request = Request::new(proto::ListSessionsRequest::default());
    for token in [ALICE, MALLORY] {
        let value: MetadataValue<_> = format!("Bearer {token}").parse().expect("a header");
        request.metadata_mut().append("authorization", value);
    }
    assert_refused(&within(client.sessions.list_sessions(request)).await.expect_err("refused"), "two");
}

#[tokio::test]
async fn the_scheme_is_written_in_any_case() {
    let world = World::of_tokens();
    let channel = world.client("").await.channel;
    for header in ["bearer alice-token", "BEARER alice-token", "Bearer   alice-token"] {
        Client::with(channel.clone(), Authorization::of(header)).looks().await.expect(header);
    }
}

#[tokio::test]
async fn one_identity_may_have_two_tokens_so_that_one_can_take_the_place_of_the_other() {
    let mut tokens = everybody();
    let mut next = token("alice-token-2", "alice", Role::User);
    next.caller = tokens[0].caller.clone();
    tokens.push(next);
    let (world, echo) = (World::start(Sources { tokens, ..Sources::default() }), Peer::echo().await);
    within(world.client(ALICE).await.sockets.tcp_connect(connect_to(echo.addr))).await.expect("connects");
    assert_eq!(world.client("alice-token-2").await.looks().await.expect("lists").len(), 1);
}

#[tokio::test]
async fn health_is_told_to_everybody_and_reflection_only_to_callers_unless_it_is_said_otherwise() {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest,
    };
    let check = |channel| async move {
        within(HealthClient::new(channel).check(HealthCheckRequest::default())).await.map(drop)
    };
    let reflect = |channel| async move {
        let host = String::new();
        let request =
            ServerReflectionRequest { host, message_request: Some(MessageRequest::ListServices(String::new())) };
        within(ServerReflectionClient::new(channel).server_reflection_info(tokio_stream::once(request))).await.map(drop)
    };
    let sources = || Sources { tokens: everybody(), ..Sources::default() };
    let world = World::start(sources());
    let channel = world.client("").await.channel;
    check(channel.clone()).await.expect("open by default");
    assert_refused(&reflect(channel).await.expect_err("closed by default"), "reflection");

    let world = World::with(
        sources(),
        |doors| {
            (doors.health_open, doors.reflection_open) = (false, true);
            doors.health_listen = Some(([127, 0, 0, 1], 0).into());
        },
        |_| (),
    );
    let channel = world.client("").await.channel;
    assert_refused(&check(channel.clone()).await.expect_err("closed"), "health");
    reflect(channel).await.expect("open");
    // The port of its own tells health, and nothing else.
    let health = world.health.expect("a port of its own");
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{health}")).expect("an address");
    let channel = channel.connect().await.expect("connects");
    check(channel.clone()).await.expect("open");
    let other = Client::over(channel, ALICE).looks().await.expect_err("not served there");
    assert_eq!(other.code(), tonic::Code::Unimplemented);
}
