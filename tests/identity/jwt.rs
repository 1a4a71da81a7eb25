use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use socket_gateway::{
    credentials::{KeyFile, Sources},
    identity::{Algorithm, FromClaim, IssuerSpec, Role},
};
use tempfile::TempDir;

use crate::{
    credentials::{Signer, message, now, sign_hs256},
    world::{ALICE, World, assert_refused, everybody},
};

pub const ISSUER: &str = "https://issuer.example.org";
pub const AUDIENCE: &str = "socket-gateway";

pub fn spec() -> IssuerSpec {
    IssuerSpec {
        issuer: ISSUER.into(),
        audiences: vec![AUDIENCE.into(), "another".into()],
        algorithms: vec![Algorithm::ES256],
        clock_skew: Duration::ZERO,
        identity_claim: "sub".into(),
        namespace: FromClaim { claim: Some("/org/tenant".into()), otherwise: None },
        role: FromClaim { claim: Some("role".into()), otherwise: Some(Role::User) },
    }
}

/// Claims that are good for a minute.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice@example.org", "exp": now() + 60, "nbf": now() - 5,
        "org": { "tenant": "alice" },
    })
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[key] = value.into();
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(key);
    claims
}

/// Sources of one issuer, whose keys are in a file of the folder.
pub fn sources(folder: &TempDir, spec: IssuerSpec, keys: &[u8]) -> Sources {
    let path: PathBuf = folder.path().join("jwks.json");
    std::fs::write(&path, keys).expect("written");
    Sources { issuers: vec![(spec, KeyFile::Jwks(path))], ..Sources::default() }
}

fn world(signer: &Signer, change: impl FnOnce(&mut IssuerSpec)) -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spec = spec();
    change(&mut spec);
    (World::start(sources(&folder, spec, signer.jwks().as_bytes())), folder)
}

#[tokio::test]
async fn a_good_token_is_its_subject_in_the_namespace_and_the_role_of_its_claims() {
    let signer = Signer::new("one");
    let (world, _folder) = world(&signer, |_| ());
    for (claims, namespace, may_open) in [
        (claims(), "alice", true),
        (with("aud", json!(["third", "another"])), "alice", true),
        (with("org", json!({ "tenant": "bob" })), "bob", true),
        (with("role", "observer"), "alice", false),
        (with("role", json!(["billing", "observer"])), "alice", false),
        (with("exp", (now() + 60) as f64 + 0.5), "alice", true),
        (without("nbf"), "alice", true),
    ] {
        let mut client = world.client(&signer.sign(&claims)).await;
        client.looks().await.expect("lets in");
        let opened = client.sockets.udp_in(crate::roles::udp_in("")).await;
        assert_eq!(opened.is_ok(), may_open, "{claims}");
        if let Ok(opened) = opened {
            let id = opened.into_inner().session_id;
            let seen =
                client.looks().await.expect("lists").into_iter().find(|one| one.session_id == id).expect("its own");
            assert_eq!((seen.namespace.as_str(), seen.owner.as_str()), (namespace, "alice@example.org"));
        }
    }
}

#[tokio::test]
async fn a_token_that_is_bad_in_any_way_is_refused_and_never_told_why() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let (world, _folder) = world(&signer, |_| ());
    let good = signer.sign(&claims());
    world.client(&good).await.looks().await.expect("the good one is good");
    let parts: Vec<&str> = good.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    let unsigned = |algorithm: &str| format!("{}.", message(&json!({ "alg": algorithm, "typ": "JWT" }), &claims()));
    let header_with = |key: &str, value: Value| {
        let mut header = signer.header();
        header[key] = value;
        header
    };
    let operator = signer.sign(&with("role", "operator"));
    let operator_body = operator.split('.').nth(1).expect("a body");
    let jwks = signer.jwks();
    let bad = [
        ("expired", signer.sign(&with("exp", now() - 1))),
        ("expired long ago", signer.sign(&with("exp", 1))),
        ("never expires", signer.sign(&without("exp"))),
        ("expires in words", signer.sign(&with("exp", "tomorrow"))),
        ("expires before 1970", signer.sign(&with("exp", -1))),
        ("not yet valid", signer.sign(&with("nbf", now() + 60))),
        ("valid in words", signer.sign(&with("nbf", "now"))),
        ("of another issuer", signer.sign(&with("iss", "https://evil.example.org"))),
        ("of no issuer", signer.sign(&without("iss"))),
        ("of an issuer that is a number", signer.sign(&with("iss", 1))),
        ("for another audience", signer.sign(&with("aud", "somebody-else"))),
        ("for other audiences", signer.sign(&with("aud", json!(["a", "b"])))),
        ("for no audience", signer.sign(&without("aud"))),
        ("for an empty audience", signer.sign(&with("aud", json!([])))),
        ("of nobody", signer.sign(&without("sub"))),
        ("of an empty subject", signer.sign(&with("sub", ""))),
        ("of a subject that is a number", signer.sign(&with("sub", 1))),
        ("of a subject with control characters", signer.sign(&with("sub", "a\u{1f}b"))),
        ("of a subject that is too long", signer.sign(&with("sub", "a".repeat(129)))),
        ("of no namespace", signer.sign(&without("org"))),
        ("of a namespace that is a number", signer.sign(&with("org", json!({ "tenant": 1 })))),
        ("of every namespace", signer.sign(&with("org", json!({ "tenant": "*" })))),
        ("of an empty namespace", signer.sign(&with("org", json!({ "tenant": "" })))),
        ("of an unknown role", signer.sign(&with("role", "root"))),
        ("of a role in capitals", signer.sign(&with("role", "OPERATOR"))),
        ("of unknown roles", signer.sign(&with("role", json!(["root", "admin"])))),
        ("of a role that is a number", signer.sign(&with("role", 1))),
        ("signed by another key of the same name", other.sign(&claims())),
        ("with the signature of another", format!("{header}.{operator_body}.{signature}")),
        (
            "with a changed signature",
            format!("{header}.{body}.{}", signature.replace(signature.get(..4).expect("long"), "AAAA")),
        ),
        ("without a signature", format!("{header}.{body}.")),
        ("without the last part", format!("{header}.{body}")),
        ("truncated", good[..good.len() - 2].to_owned()),
        ("truncated in the body", good[..header.len() + 10].to_owned()),
        ("with a fourth part", format!("{good}.{signature}")),
        ("of nothing but dots", "..".to_owned()),
        ("of an algorithm called none", unsigned("none")),
        ("of an algorithm called None", unsigned("None")),
        ("of an algorithm called NONE with a signature", format!("{}{signature}", unsigned("NONE"))),
        ("of an empty algorithm", unsigned("")),
        (
            "signed by HMAC with the public key",
            sign_hs256(&json!({ "alg": "HS256", "kid": "one" }), &claims(), signer.public()),
        ),
        ("signed by HMAC with the public key set", sign_hs256(&json!({ "alg": "HS256" }), &claims(), jwks.as_bytes())),
        ("signed by HMAC with nothing", sign_hs256(&json!({ "alg": "HS256" }), &claims(), b"")),
        ("of an algorithm that is not allowed", signer.sign_with(&header_with("alg", "ES384".into()), &claims())),
        ("of an unknown key", signer.sign_with(&header_with("kid", "two".into()), &claims())),
        (
            "that brings its own key",
            other.sign_with(
                &header_with("jwk", serde_json::from_str::<Value>(&other.jwks()).expect("JSON")["keys"][0].clone()),
                &claims(),
            ),
        ),
        ("with critical headers", signer.sign_with(&header_with("crit", json!(["b64"])), &claims())),
        ("whose claims are no object", signer.sign(&json!(["a"]))),
        ("oversized", signer.sign(&with("padding", "x".repeat(8 * 1024)))),
    ];
    for (what, token) in bad {
        assert_refused(&world.client(&token).await.looks().await.expect_err(what), what);
    }
    world.client(&good).await.looks().await.expect("the good one still is");
}

#[tokio::test]
async fn clocks_may_differ_by_the_skew_that_is_allowed_and_no_more() {
    let signer = Signer::new("one");
    let (world, _folder) = world(&signer, |spec| spec.clock_skew = Duration::from_secs(60));
    for (claims, good) in [
        (with("exp", now() - 30), true),
        (with("exp", now() - 90), false),
        (with("nbf", now() + 30), true),
        (with("nbf", now() + 120), false),
    ] {
        assert_eq!(world.client(&signer.sign(&claims)).await.looks().await.is_ok(), good, "{claims}");
    }
}

#[tokio::test]
async fn a_token_that_was_good_is_remembered_only_until_it_expires() {
    let signer = Signer::new("one");
    let (world, _folder) = world(&signer, |_| ());
    let token = signer.sign(&with("exp", now() + 2));
    let mut client = world.client(&token).await;
    client.looks().await.expect("good");
    crate::support::eventually("it expires", || {
        let mut client = client.clone();
        async move { client.looks().await.is_err() }
    })
    .await;
    assert_refused(&client.looks().await.expect_err("over"), "expired");
}

#[tokio::test]
async fn a_secret_serves_hmacs_alone_and_a_public_key_never_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    let secret = b"0123456789abcdef0123456789abcdef";
    let mut spec = IssuerSpec { algorithms: vec![Algorithm::HS256], ..spec() };
    std::fs::write(&path, [secret, b"\n".as_slice()].concat()).expect("written");
    let of =
        |spec: &IssuerSpec| Sources { issuers: vec![(spec.clone(), KeyFile::Key(path.clone()))], ..Sources::default() };
    let world = World::start(of(&spec));
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    world.client(&sign_hs256(&header, &claims(), secret)).await.looks().await.expect("good");
    let forged = sign_hs256(&header, &claims(), b"another secret of the same length");
    assert_refused(&world.client(&forged).await.looks().await.expect_err("forged"), "forged");

    let refused = |spec: &IssuerSpec, text: &str| {
        std::fs::write(&path, text).expect("written");
        let problems = of(spec).load().map(drop).expect_err(text);
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("\n")
    };
    let key = rcgen::KeyPair::generate().expect("a key").public_key_pem();
    assert!(refused(&spec, &key).contains("could sign tokens"));
    assert!(refused(&spec, "short").contains("at least 32"));
    spec.algorithms = vec![Algorithm::ES256];
    assert!(refused(&spec, "0123456789abcdef0123456789abcdef").contains("no EC public key in PEM"));
    // rcgen's keys are for ES256, and PEM is how most people have theirs.
    std::fs::write(&path, &key).expect("written");
    of(&spec).load().map(drop).expect("a public key in PEM");
}

#[tokio::test]
async fn two_issuers_do_not_vouch_for_each_other() {
    let (one, two) = (Signer::new("k"), Signer::new("k"));
    let (first, second) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut sources_of_both = sources(&first, spec(), one.jwks().as_bytes());
    let other = IssuerSpec { issuer: "https://other.example.org".into(), ..spec() };
    sources_of_both.issuers.extend(sources(&second, other, two.jwks().as_bytes()).issuers);
    sources_of_both.tokens = everybody();
    let world = World::start(sources_of_both);
    let others = with("iss", "https://other.example.org");
    for (token, good) in [
        (one.sign(&claims()), true),
        (two.sign(&others), true),
        (one.sign(&others), false),
        (two.sign(&claims()), false),
    ] {
        assert_eq!(world.client(&token).await.looks().await.is_ok(), good);
    }
    world.client(ALICE).await.looks().await.expect("static tokens go beside them");
}
