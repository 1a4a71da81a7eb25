//! Exchanges and their turns.

use std::{sync::Arc, time::Duration};

use socket_gateway_client::{Error, Exchange, ExchangeEnd, Line, Payload, Reason, TcpOptions, Terminator};

use crate::{
    Scenario, World, scenarios,
    sessions::{dial, end, line},
    within,
};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "C20-exchange" => exchange,
    "C21-exchange-turns" => turns,
    "C22-exchange-timeout" => timeout,
    "C23-exchange-greeting" => greeting,
    "C24-exchange-peer-closed" => peer_closed,
};

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(Line::to_string).collect()
}

async fn exchange(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("answers"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    let payload = Payload::none().and_text("a").and_text("b").and_text("c");
    let answer = within(session.exchange(payload, Exchange::until("^re: (c)$"))).await.expect("answers");
    assert_eq!(answer.end, ExchangeEnd::Match);
    assert_eq!(texts(&answer.frames), ["re: a", "re: b"]);
    assert_eq!(answer.matched.expect("a match"), "re: c");
    assert_eq!((answer.captures.len(), &answer.captures[0].value), (1, &Some(Line::Text("c".into()))));
    let answer = within(session.exchange("d", Exchange::one_frame())).await.expect("answers");
    assert_eq!((answer.end, texts(&answer.frames)), (ExchangeEnd::Frame, vec!["re: d".to_owned()]));
    end(&session).await;
}

async fn turns(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("answers"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    let session = Arc::new(session);
    let mut callers = Vec::new();
    for number in 0..20 {
        let session = Arc::clone(&session);
        callers.push(tokio::spawn(async move {
            let asked = format!("caller {number}");
            let answer = within(session.exchange(asked.as_str(), Exchange::until("^re: "))).await.expect("answers");
            assert_eq!(answer.matched.expect("a match").to_string(), format!("re: {asked}"));
        }));
    }
    for caller in callers {
        caller.await.expect("each gets its own answer");
    }
    end(&session).await;
}

async fn timeout(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("answers"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    let how = Exchange::until("^re: ").timeout(Duration::from_millis(200));
    let failed = within(session.exchange("wait 1 late", how)).await.expect_err("is late");
    let Error::Gateway(failure) = failed else { panic!("{failed}") };
    assert_eq!((failure.reason, failure.code), (Reason::Timeout, tonic::Code::DeadlineExceeded));
    let answer = within(session.exchange("next", Exchange::until("^re: "))).await.expect("answers");
    assert_eq!(answer.matched.expect("a match"), "re: next");
    assert_eq!(line(&session).await, "re: late");
    end(&session).await;
}

async fn greeting(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("bbs"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    let answer = within(session.exchange(Payload::none(), Exchange::until("login: $"))).await.expect("greets");
    assert_eq!(answer.matched.expect("a match"), "login: ");
    within(session.exchange("anna", Exchange::until("password: "))).await.expect("asks");
    let answer = within(session.exchange("wrong", Exchange::until("login: "))).await.expect("refuses");
    assert_eq!(texts(&answer.frames), ["", "Login incorrect"]);
    within(session.exchange("anna", Exchange::until("password: "))).await.expect("asks");
    within(session.exchange("secret", Exchange::until("menu> "))).await.expect("lets in");
    let answer = within(session.exchange("quit", Exchange::one_frame())).await.expect("says goodbye");
    assert!(answer.frames[0].to_string().ends_with("Goodbye"), "{answer:?}");
}

async fn peer_closed(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("source"), TcpOptions::binary()).await.with_terminator(Terminator::Lf);
    let answer = within(session.exchange("0", Exchange::one_frame())).await.expect("answers");
    assert_eq!((answer.end, answer.frames.len()), (ExchangeEnd::PeerClosed, 0));
}
