//! `socket-gateway check` as scripts and people meet it, and the policy of a running gateway by its file.

#![allow(clippy::disallowed_methods, reason = "a test plays the peers, which own their sockets and clocks")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A configuration file in a folder of its own.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, text).expect("a scratch file");
        Self { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("a plain path")
    }
}

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_socket-gateway"));
    // What the machine happens to set is no part of a test.
    command.env_clear().stdin(Stdio::null()).arg("check").args(arguments).output().expect("the binary runs")
}

/// The exit code and what was said.
fn said(arguments: &[&str]) -> (i32, String) {
    let output = check(arguments);
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text")).concat();
    (output.status.code().expect("it ends by itself"), text)
}

fn json(arguments: &[&str]) -> (i32, Value) {
    let output = check(&[arguments, &["-o", "json"]].concat());
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().expect("it ends by itself"), answer)
}

const TENANTS: &str = r#"
policy.profile = "internet"

[[policy.dial]]
name = "databases of a"
action = "allow"
namespaces = ["a"]
cidrs = ["10.1.0.0/16"]
ports = [5432]

[[policy.dial]]
action = "allow"
identities = ["b-*"]
roles = ["operator"]
cidrs = ["127.0.0.0/8"]
protocols = ["udp"]

[[policy.dial]]
name = "mail"
action = "allow"
hosts = ["*.mail.test"]
tls = "required"

[[policy.bind]]
name = "closed"
action = "deny"
ports = ["1-6999"]

[[policy.bind]]
action = "allow"
groups = ["239.1.0.0/16"]
"#;

#[test]
fn scripts_learn_by_the_exit_code_and_people_by_the_rule() {
    let file = File::new(TENANTS);
    let ask = |question: &[&str]| said(&[&["--config", file.path()], question].concat());
    for (question, code, rule) in [
        (&["--dial", "10.1.2.3:5432", "--identity", "x", "--namespace", "a"][..], 0, "allowed by databases of a"),
        (&["--dial", "10.1.2.3:5432", "--identity", "x", "--namespace", "b"], 1, "denied by profile.internet.private"),
        (&["--dial", "10.1.2.3:5433", "--identity", "x", "--namespace", "a"], 1, "denied by profile.internet.private"),
        (&["--dial", "[::ffff:10.1.2.3]:5432", "--identity", "x", "--namespace", "a"], 0, "databases of a"),
        (
            &["--dial", "127.0.0.1:53", "--udp", "--identity", "b-1", "--role", "operator"],
            0,
            "allowed by policy.dial[1]",
        ),
        (&["--dial", "127.0.0.1:53", "--identity", "b-1", "--role", "operator"], 1, "profile.internet.loopback"),
        (&["--dial", "127.0.0.1:53", "--udp", "--identity", "b-1"], 1, "profile.internet.loopback"),
        (&["--dial", "127.0.0.1:50051", "--udp", "--identity", "b-1", "--role", "operator"], 1, "denied by own-ports"),
        (&["--dial", "1.1.1.1:443"], 0, "allowed by profile.internet.public"),
        (&["--dial", "1.1.1.255:9", "--udp", "--broadcast"], 1, "profile.internet.broadcast"),
        (&["--dial", "169.254.169.254:80"], 1, "profile.internet.metadata"),
        (&["--dial", "metadata.google.internal:80"], 1, "denied by metadata-names"),
        (&["--bind", "0.0.0.0:6999"], 1, "denied by closed"),
        (&["--bind", "0.0.0.0:7000"], 0, "allowed by profile.internet.bind"),
        (&["--bind", "[::1]:7000"], 1, "profile.internet.bind-loopback"),
        (&["--bind", "10.0.0.1:50051"], 1, "own-ports"),
        (&["--join", "239.1.2.3:5000"], 0, "allowed by policy.bind[1]"),
        (&["--join", "239.2.2.3:5000"], 1, "profile.internet.join-multicast"),
    ] {
        let (found, text) = ask(question);
        assert!(
            found == code && text.lines().last().is_some_and(|line| line.contains(rule)),
            "{question:?}: {found}: {text}"
        );
    }
}

#[test]
fn an_identity_of_the_file_asks_in_its_own_namespace_and_role() {
    let hash = "0".repeat(64);
    let token =
        format!("[[identity.tokens]]\nname = \"ops\"\nnamespace = \"a\"\nrole = \"operator\"\nsha256 = \"{hash}\"\n");
    let file = File::new(&format!("{TENANTS}{token}"));
    let ask =
        |more: &[&str]| json(&[&["--config", file.path(), "--dial", "10.1.2.3:5432", "--identity"], more].concat());
    let (code, answer) = ask(&["ops"]);
    assert_eq!((code, &answer["namespace"], &answer["role"]), (0, &"a".into(), &"operator".into()), "{answer}");
    let (code, answer) = ask(&["ops", "--namespace", "b", "--role", "user"]);
    assert_eq!((code, &answer["namespace"], &answer["role"]), (1, &"b".into(), &"user".into()), "{answer}");
    let (code, answer) = ask(&["a"]);
    assert_eq!((code, &answer["namespace"], &answer["role"]), (0, &"a".into(), &"user".into()), "{answer}");
}

#[test]
fn a_certificate_is_asked_for_by_its_identity_or_by_a_name_in_it() {
    let certificates = "
[tls]
certificate = \"FOLDER/tls.crt\"
key = \"FOLDER/tls.key\"
client_ca = \"FOLDER/tls.crt\"
client_auth = \"required\"

[[identity.certificates]]
uri = \"spiffe://example.org/ns/a/sa/robot\"
name = \"robot\"
namespace = \"a\"
role = \"operator\"

[[identity.certificates]]
dns = \"*.clients.example.org\"

[[identity.certificates]]
uri = \"spiffe://example.org/*\"
namespace = \"a\"
";
    let folder = tempfile::tempdir().expect("a scratch folder");
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    fs::write(folder.path().join("tls.crt"), pair.cert.pem()).expect("a scratch file");
    fs::write(folder.path().join("tls.key"), pair.signing_key.serialize_pem()).expect("a scratch file");
    let certificates = certificates.replace("FOLDER", folder.path().to_str().expect("a plain path"));
    let file = File::new(&format!("{TENANTS}{certificates}"));
    for (asked, identity, namespace, role) in [
        ("robot", "robot", "a", "operator"),
        ("spiffe://example.org/ns/a/sa/robot", "robot", "a", "operator"),
        ("spiffe://example.org/ns/b/sa/other", "spiffe://example.org/ns/b/sa/other", "a", "user"),
        ("Web-1.clients.example.org", "web-1.clients.example.org", "web-1.clients.example.org", "user"),
        ("somebody", "somebody", "somebody", "user"),
    ] {
        let (code, answer) = json(&["--config", file.path(), "--dial", "10.1.2.3:5432", "--identity", asked]);
        let told = [&answer["identity"], &answer["namespace"], &answer["role"]];
        assert_eq!(
            (told, code == 0),
            ([&identity.into(), &namespace.into(), &role.into()], namespace == "a"),
            "{answer}"
        );
    }
}

#[test]
fn a_jwt_subject_is_asked_for_as_far_as_the_file_says_and_else_it_says_what_to_pass() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let key = folder.path().join("secret");
    fs::write(&key, "0123456789abcdef0123456789abcdef").expect("a scratch file");
    let issuer = |name: &str, more: &str| {
        format!(
            "[[identity.jwt]]\nissuer = \"{name}\"\naudience = \"g\"\nalgorithms = [\"HS256\"]\nkey_file = {key:?}\n{more}"
        )
    };
    let ask = |issuers: &[&str], more: &[&str]| {
        let file = File::new(&format!("{TENANTS}{}", issuers.concat()));
        said(&[&["--config", file.path(), "--dial", "10.1.2.3:5432", "--identity", "svc"], more].concat())
    };
    let fixed = issuer("one", "namespace = \"a\"\nrole = \"operator\"\n");
    let (code, text) = ask(&[&fixed], &[]);
    assert!(code == 0 && text.contains("as svc (namespace \"a\", role operator)"), "{text}");
    let (code, text) = ask(&[&issuer("one", "")], &[]);
    assert!(code == 1 && text.contains("as svc (namespace \"svc\", role user)"), "{text}");

    let claims = issuer("two", "namespace_claim = \"tenant\"\nrole_claim = \"role\"\n");
    let (code, text) = ask(&[&claims], &[]);
    assert!(code == 64 && text.contains("of two, in the claim \"tenant\": pass --namespace"), "{text}");
    let (code, text) = ask(&[&claims], &["--namespace", "a"]);
    assert!(code == 64 && text.contains("in the claim \"role\": pass --role"), "{text}");
    let (code, text) = ask(&[&claims], &["--namespace", "a", "--role", "user"]);
    assert!(code == 0 && text.contains("as svc (namespace \"a\", role user)"), "{text}");

    let (code, text) = ask(&[&fixed, &issuer("three", "namespace = \"b\"\n")], &[]);
    assert!(code == 64 && text.contains("depends on who issued its token, one or three: pass --namespace"), "{text}");
}

#[test]
fn without_a_file_the_defaults_answer() {
    assert_eq!(said(&["--dial", "127.0.0.1:80"]).0, 0);
    let (code, text) = said(&["--dial", "127.0.0.1:50051"]);
    assert_eq!(
        (code, text.as_str()),
        (
            1,
            "dial tcp 127.0.0.1 port 50051 as local (namespace \"\", role operator), profile dev\n  \
             127.0.0.1: denied by own-ports\ndenied by own-ports\n"
        )
    );
}

#[test]
fn every_address_of_a_name_is_shown_with_its_own_verdict() {
    let file = File::new("policy.profile = \"lan\"\n");
    let (code, answer) =
        json(&["--config", file.path(), "--dial", "localhost:80", "--identity", "x", "--role", "observer"]);
    assert_eq!((code, &answer["allowed"], &answer["rule"]), (1, &false.into(), &"profile.lan.loopback".into()));
    assert_eq!(
        (&answer["host"], &answer["port"], &answer["profile"]),
        (&"localhost".into(), &80.into(), &"lan".into())
    );
    assert_eq!((&answer["identity"], &answer["role"]), (&"x".into(), &"observer".into()));
    let addresses = answer["addresses"].as_array().expect("a list");
    assert!(!addresses.is_empty());
    for address in addresses {
        assert_eq!((&address["class"], &address["allowed"]), (&"loopback".into(), &false.into()), "{address}");
    }
}

#[test]
fn what_tls_would_allow_is_told() {
    // A rule by name alone is no last word; by address it is.
    let file =
        File::new("[[policy.dial]]\nname = \"tls\"\naction = \"allow\"\ncidrs = [\"127.0.0.1\"]\ntls = \"required\"\n");
    let (code, text) = said(&["--config", file.path(), "--dial", "127.0.0.1:443"]);
    assert!(code == 1 && text.ends_with("denied by tls, which wants TLS\n"), "{text}");
}

#[test]
fn a_wrong_question_or_file_is_told_apart_from_a_denial() {
    for question in [
        &[][..],
        &["--dial", "127.1:80"],
        &["--dial", "127.0.0.1"],
        &["--dial", "127.0.0.1:0"],
        &["--dial", "127.0.0.1:+80"],
        &["--dial", "::1:80"],
        &["--dial", "[::1:80"],
        &["--dial", "a b:80"],
        &["--bind", "localhost:80"],
        &["--join", "10.0.0.1:80"],
        &["--dial", "1.1.1.1:80", "--bind", "1.1.1.1:80"],
        &["--dial", "1.1.1.1:80", "--identity", "x", "--role", "root"],
        &["--dial", "1.1.1.1:80", "--role", "user"],
        &["--dial", "1.1.1.1:80", "--config", "/no/such/file"],
    ] {
        assert_eq!(said(question).0, 64, "{question:?}");
    }
    let file = File::new("[[policy.dial]]\n");
    let (code, text) = said(&["--config", file.path(), "--dial", "1.1.1.1:80"]);
    assert!(code == 64 && text.contains(":1: policy.dial.action: is required"), "{text}");
    // A file alone is checked as ever.
    assert_eq!(said(&[file.path()]).0, 1);
    assert_eq!(said(&["--config", file.path()]).0, 1);
    assert_eq!(said(&[File::new("").path()]).0, 0);
    let (code, text) = said(&["--dial", "no-such-host.invalid:80"]);
    // Where the resolver is silent it takes its time, and the answer is the same.
    assert!(code == 68 && text.contains("no-such-host.invalid"), "{code}: {text}");
}

#[test]
fn a_gateway_does_not_start_with_declarations_that_its_policy_denies() {
    let file = File::new(
        "policy.profile = \"lan\"\n[[tcp_listen]]\nsubscriber = \"s\"\nhost = \"127.0.0.1\"\nport = 0\n\
         [[tcp_connect]]\nsubscriber = \"s\"\nhost = \"169.254.169.254\"\nport = 80\n",
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_socket-gateway"));
    command.env_clear().stdin(Stdio::null()).args(["--listen", "127.0.0.1:0", "--config", file.path()]);
    let output = command.output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines[0].contains(":2: tcp_listen: binding tcp 127.0.0.1:0 is denied by profile.lan.bind-loopback"),
        "{said}"
    );
    assert!(
        lines[1].contains(":6: tcp_connect: tcp to 169.254.169.254 port 80 is denied by profile.lan.metadata"),
        "{said}"
    );
}

/// The blocks of a kind in the page about policies.
fn blocks(kind: &str) -> Vec<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.md")).expect("the page");
    let (mut found, mut inside) = (Vec::new(), None::<String>);
    for line in page.lines() {
        match &mut inside {
            None if line == format!("```{kind}") => inside = Some(String::new()),
            Some(_) if line == "```" => found.extend(inside.take()),
            Some(block) => *block += &format!("{line}\n"),
            None => {}
        }
    }
    found
}

#[test]
fn every_example_of_the_page_is_right_and_every_answer_in_it_is_the_real_one() {
    let files: Vec<_> = blocks("toml").iter().map(|text| File::new(text)).collect();
    assert!(files.len() >= 4, "{} examples", files.len());
    for file in &files {
        let (code, text) = said(&[file.path()]);
        assert_eq!(code, 0, "{text}");
    }
    let answers = blocks("console");
    assert!(answers.len() >= 6, "{} answers", answers.len());
    for block in answers {
        let (command, expected) = block.split_once('\n').expect("a command and its answer");
        let words: Vec<_> = command.split(' ').collect();
        assert_eq!(words[..3], ["$", "socket-gateway", "check"], "{command}");
        let arguments: Vec<_> =
            words[3..].iter().map(|word| if *word == "gateway.toml" { files[0].path() } else { word }).collect();
        assert_eq!(said(&arguments).1, expected, "{command}");
    }
}
