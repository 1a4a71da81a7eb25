use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
};

use socket_gateway::identity::{TOKEN_PREFIX, TokenHash};

use crate::{
    credentials::{Authority, Signer},
    jwt,
    support::{PATIENCE, within},
    world::Client,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_socket-gateway");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().expect("runs")
}

/// What the program says where it does not start.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// A gateway with all its log.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    log: Vec<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(PROGRAM).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let (tell, lines) = mpsc::channel();
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|read| read > 0) {
                if tell.send(std::mem::take(&mut line)).is_err() {
                    // Read on, so that the program is not held up.
                    let _ = stderr.read_to_string(&mut String::new());
                    return;
                }
            }
        });
        Self { child, lines, log: Vec::new() }
    }

    /// Waits for a line of the log.
    fn line(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {part:?} in {:#?}", self.log));
            self.log.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    fn address(&mut self) -> std::net::SocketAddr {
        let line = self.line("socket-gateway is ready");
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        line["address"].as_str().expect("an address").parse().expect("an address")
    }

    /// Ends it, and gives everything it said.
    fn end(mut self) -> String {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(line);
        }
        self.log.concat()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn file(folder: &Path, text: &str) -> String {
    let path = folder.join("gateway.toml");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

fn token_table(token: &str) -> String {
    format!("[[identity.tokens]]\nname = \"a\"\nsha256 = \"{}\"\n", TokenHash::of(token.as_bytes()))
}

#[test]
fn without_identity_the_gateway_stays_on_loopback_and_says_so() {
    let said = refused(&["--listen", "0.0.0.0:0"]);
    for part in [
        "--listen: listen: 0.0.0.0:0 can be reached",
        "nobody is asked",
        "socket-gateway token",
        "--insecure-allow-anyone",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(refused(&["--listen", "[::]:0"]).contains("can be reached"));
    let mut open = Running::start(&["--listen", "127.0.0.1:0"]);
    assert!(open.address().ip().is_loopback());
    open.line("every program of this machine may open sockets, none of other machines");
    let flags = ["--listen", "0.0.0.0:0", "--insecure-allow-anyone-to-open-sockets"];
    let mut frightening = Running::start(&flags);
    assert!(frightening.line("whoever reaches this address can open sockets").contains("WARN"));
}

#[test]
fn tokens_do_not_come_in_the_clear_from_other_machines_unless_it_is_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), &token_table("a token"));
    let said = refused(&["--config", &path, "--listen", "0.0.0.0:0"]);
    for part in ["in the clear", "tls.certificate", "--insecure-allow-tokens-in-the-clear"] {
        assert!(said.contains(part), "{said}");
    }
    // The other flag does not help.
    refused(&["--config", &path, "--listen", "0.0.0.0:0", "--insecure-allow-anyone-to-open-sockets"]);
    let flags = ["--config", &path, "--listen", "0.0.0.0:0", "--insecure-allow-tokens-in-the-clear"];
    Running::start(&flags).address();
    // On loopback nobody is on the way.
    Running::start(&["--config", &path, "--listen", "127.0.0.1:0"]).address();
    let (certificate, key) = Authority::new("a").server("a").write(folder.path());
    let tls = format!("tls.certificate = {certificate:?}\ntls.key = {key:?}\n{}", token_table("a token"));
    Running::start(&["--config", &file(folder.path(), &tls), "--listen", "0.0.0.0:0"]).address();
}

#[test]
fn everything_that_is_wrong_with_identity_and_tls_is_told_at_once_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = "0".repeat(64);
    let text = format!(
        "[[identity.tokens]]\nname = \"a\"\nsha256 = \"sgw_the-token-itself\"\n\
         [[identity.tokens]]\nname = \"b\"\nnamespace = \"*\"\nsha256 = \"{hash}\"\nrole = \"root\"\n\
         [[identity.tokens]]\nname = \"c\"\nsha256 = \"{hash}\"\ncolour = \"red\"\n\
         [[identity.jwt]]\nissuer = \"i\"\nalgorithms = [\"none\", \"RS256\", \"HS256\"]\nclock_skew = \"1h\"\n\
         [[identity.certificates]]\nuri = \"spiffe://*\"\n\
         [tls]\ncertificate = \"/nowhere/tls.crt\"\nclient_auth = \"required\"\n"
    );
    let path = file(folder.path(), &text);
    let said = refused(&["--config", &path]);
    for part in [
        ":3: identity.tokens.sha256: must be 64 hexadecimal digits",
        ":6: identity.tokens.namespace: \"*\"",
        ":8: identity.tokens.role: \"root\" must be",
        ":11: identity.tokens.sha256: is that of",
        ":12: identity.tokens.colour: no such field",
        ":13: identity.jwt.jwks_file: or key_file is required",
        ":13: identity.jwt.audience: is required",
        ":15: identity.jwt.algorithms[0]: \"none\" is none of",
        ":15: identity.jwt.algorithms: must all be for one kind of key",
        ":16: identity.jwt.clock_skew: is longer than 10m",
        ":18: identity.certificates.uri: must be a URI",
        ":20: tls.certificate: needs tls.key",
        ":21: tls.client_auth: needs tls.client_ca",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert!(!said.contains("sgw_the-token-itself"), "a token put where its hash belongs is not repeated\n{said}");
}

#[test]
fn files_that_are_no_good_are_named_and_what_is_in_them_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("a");
    let (one, two) = (authority.server("one"), authority.server("two"));
    let (certificate, _) = one.write(folder.path());
    let key = folder.path().join("other.key");
    std::fs::write(&key, &two.key).expect("written");
    let settings = |certificate: &Path, key: &Path| format!("tls.certificate = {certificate:?}\ntls.key = {key:?}\n");
    let path = file(folder.path(), &settings(&certificate, &key));
    let said = refused(&["--config", &path]);
    assert!(said.contains(":2: tls.key: ") && said.contains("is not the key of the certificate"), "{said}");
    std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nsecretsecret\n").expect("written");
    let said = refused(&["--config", &path]);
    assert!(said.contains("has no private key in PEM") && !said.contains("secretsecret"), "{said}");
    let path = file(folder.path(), &settings(Path::new("/nowhere/tls.crt"), &key));
    assert!(refused(&["--config", &path]).contains(":1: tls.certificate: /nowhere/tls.crt cannot be read"));
    let jwt =
        "[[identity.jwt]]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"ES256\"]\njwks_file = \"/nowhere/jwks\"\n";
    let path = file(folder.path(), jwt);
    assert!(refused(&["--config", &path]).contains(":1: identity.jwt: /nowhere/jwks cannot be read"));
}

#[test]
fn what_is_declared_needs_an_owner_where_callers_have_namespaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let declared = |namespace: &str| {
        format!(
            "[[tcp_listen]]\nhost = \"127.0.0.1\"\nport = 0\nsubscriber = \"s\"\n{namespace}{}",
            token_table("a token")
        )
    };
    let said = refused(&["--config", &file(folder.path(), &declared(""))]);
    assert!(said.contains(":1: tcp_listen.namespace: is required"), "{said}");
    let path = file(folder.path(), &declared("namespace = \"a\"\n"));
    // Where callers have identities the profile is one that keeps off loopback.
    let flags = ["--config", &path, "--listen", "127.0.0.1:0", "--set", "policy.profile=dev"];
    Running::start(&flags).address();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_token_lets_in_with_the_table_that_is_printed_with_it() {
    let output = run(&["token", "--name", "team \"a\"", "--namespace", "n", "--role", "operator"]);
    let printed = String::from_utf8(output.stdout).expect("text");
    let token = printed.lines().find_map(|line| line.strip_prefix("# sgw_")).expect("the token is shown");
    let token = format!("{TOKEN_PREFIX}{token}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), &printed);
    let mut gateway = Running::start(&["--config", &path, "--listen", "127.0.0.1:0", "--set", "policy.profile=dev"]);
    let address = gateway.address();
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let channel = within(channel.connect()).await.expect("connects");
    let mut client = Client::over(channel, &token);
    let opened = within(client.sockets.udp_in(crate::roles::udp_in(""))).await.expect("lets in");
    drop(opened);
    let seen = client.looks().await.expect("lists");
    assert_eq!((seen[0].owner.as_str(), seen[0].namespace.as_str()), ("team \"a\"", "n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_in_the_log_even_where_everything_is_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let signer = Signer::new("one");
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, signer.jwks()).expect("written");
    let authority = Authority::new("a");
    let pair = authority.server("a");
    let (certificate, key) = pair.write(folder.path());
    let secret = "sgw_a-very-secret-token-of-the-test";
    let text = format!(
        "tls.certificate = {certificate:?}\ntls.key = {key:?}\n{}\
         [[identity.jwt]]\nissuer = \"{}\"\naudience = \"{}\"\nalgorithms = [\"ES256\"]\njwks_file = {jwks:?}\nnamespace = \"a\"\n",
        token_table(secret),
        jwt::ISSUER,
        jwt::AUDIENCE,
    );
    let path = file(folder.path(), &text);
    let mut gateway = Running::start(&["--config", &path, "--listen", "127.0.0.1:0", "--log-filter", "trace"]);
    let address = gateway.address();
    let good = signer.sign(&jwt::claims());
    let expired = {
        let mut claims = jwt::claims();
        claims["exp"] = serde_json::json!(1);
        signer.sign(&claims)
    };
    let config = crate::world::client_config(&authority.pem(), None);
    for token in [secret, good.as_str(), expired.as_str(), "sgw_another-secret-that-is-wrong"] {
        let channel = within(crate::world::tls_channel(address, config.clone())).await.expect("connects");
        let _ = Client::over(channel, token).looks().await;
    }
    for _ in ["the expired one", "the wrong one"] {
        gateway.line("a call without good credentials was refused");
    }
    let log = gateway.end();
    let hash = TokenHash::of(secret.as_bytes()).to_string();
    let key = pair.key.lines().nth(1).expect("a line of the key").to_owned();
    let signature = |token: &str| token.rsplit('.').next().expect("a signature").to_owned();
    for (what, secret) in [
        ("the token", secret.to_owned()),
        ("its hash", hash),
        ("a wrong token", "sgw_another-secret".to_owned()),
        ("a JWT", signature(&good)),
        ("an expired JWT", signature(&expired)),
        ("the private key", key),
    ] {
        assert!(!log.contains(&secret), "{what} is in the log");
    }
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let tokens = crate::world::everybody();
    let hash = TokenHash::of(crate::world::ALICE.as_bytes()).to_string();
    let sources = socket_gateway::credentials::Sources { tokens, ..Default::default() };
    let shown = format!("{sources:?}");
    assert!(shown.contains("alice") && !shown.contains(&hash) && !shown.contains(&hash[..16]), "{shown}");
}
