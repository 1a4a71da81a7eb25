//! `check`: whether a configuration file is right, and what its policy says to a question: may this identity dial that address, or
//! bind it, and by which rule. Nothing is opened; a name is resolved, by the resolver of the machine this runs on.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum, error::ErrorKind};
use serde_json::json;
use tokio::time::Instant;

use super::{Failure, print, who};
use crate::{
    config::Config,
    identity::{Caller, Role},
    limits::Limits,
    net::{
        self,
        resolve::{ResolveError, Resolver, literal},
    },
    policy::{Bind, Dial, InForce, Protocol, Verdict, canonical_name, classify},
};

/// How long a name may take to resolve.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CheckArguments {
    /// The file to check; environment and flags play no part
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The same, for a question to its policy; absent: the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// May this be dialled? A name or an address, IPv6 in brackets
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["bind", "join"])]
    dial: Option<String>,
    /// May this be bound?
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "join")]
    bind: Option<String>,
    /// May this multicast group be joined?
    #[arg(long, value_name = "GROUP:PORT")]
    join: Option<String>,
    /// Over UDP instead of TCP
    #[arg(long)]
    udp: bool,
    /// As a broadcast
    #[arg(long, requires = "udp", requires = "dial")]
    broadcast: bool,
    /// Who asks: a token's name, a name of a client certificate, or a JWT's subject [default: whoever calls a gateway without
    /// identities]
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Its namespace [default: what the file says of that token, certificate or JWT subject; else the identity itself]
    #[arg(long, value_name = "NAME", requires = "identity")]
    namespace: Option<String>,
    /// Its role: user, operator or observer [default: what the file says of it; else user]
    #[arg(long, value_name = "ROLE", requires = "identity")]
    role: Option<String>,
    /// How the answer is written
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

const AFTER_HELP: &str = "Exit codes: 0 the file is right, or it is allowed; 1 the file has faults, or it is denied; 64 the question \
                          or the file it is asked of is wrong; 68 the name cannot be resolved.";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) fn run(arguments: CheckArguments) -> Result<(), Failure> {
    let asks = [&arguments.dial, &arguments.bind, &arguments.join].iter().any(|question| question.is_some());
    match (&arguments.file, &arguments.config) {
        _ if asks => answer(&arguments),
        (Some(file), _) | (None, Some(file)) => check(file),
        (None, None) => Err(usage("give a FILE to check, or a question: --dial, --bind or --join")),
    }
}

fn check(file: &Path) -> Result<(), Failure> {
    let declared = Config::of_file(file).map_err(Failure::Check)?.declarations;
    print(&format!(
        "{}: ok: {}, {}, {}\n",
        file.display(),
        count(declared.tcp_listen.len(), "listener"),
        count(declared.udp_in.len(), "UDP socket"),
        count(declared.tcp_connect.len(), "connection"),
    ))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn usage(message: impl std::fmt::Display) -> Failure {
    Failure::Usage(clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")))
}

/// What was found about each address asked for. `verdict` is what a caller would be told.
struct Answer {
    direction: &'static str,
    protocol: Protocol,
    host: String,
    port: u16,
    addresses: Vec<(IpAddr, Verdict)>,
    verdict: Verdict,
}

fn answer(arguments: &CheckArguments) -> Result<(), Failure> {
    let config = match arguments.config.as_ref().or(arguments.file.as_ref()) {
        Some(file) => Config::of_file(file).map_err(Failure::Configuration)?,
        None => Config::default(),
    };
    let caller = caller(arguments, &config)?;
    let in_force = config.policy_in_force();
    let protocol = if arguments.udp { Protocol::Udp } else { Protocol::Tcp };
    let answer = if let Some(dial) = &arguments.dial {
        let (host, port) = host_and_port(dial, false)?;
        dialled(&in_force, &caller, protocol, (host, port), arguments.broadcast)?
    } else if let Some(bind) = &arguments.bind {
        let (host, port) = host_and_port(bind, true)?;
        let address = address(&host)?;
        let verdict = in_force.bind(&caller, &Bind { protocol, address, port });
        Answer { direction: "bind", protocol, host, port, addresses: vec![(address, verdict.clone())], verdict }
    } else {
        let (host, port) = host_and_port(arguments.join.as_deref().unwrap_or_default(), true)?;
        let group = address(&host)?;
        if !group.is_multicast() {
            return Err(usage(format!("\"{host}\" is no multicast address")));
        }
        let verdict = in_force.join(&caller, group, port);
        let addresses = vec![(group, verdict.clone())];
        Answer { direction: "join", protocol: Protocol::Udp, host, port, addresses, verdict }
    };
    let profile = in_force.policy().profile.as_str();
    print(&match arguments.output {
        Output::Text => answer.text(&caller, profile),
        Output::Json => answer.json(&caller, profile),
    })?;
    if answer.verdict.allowed { Ok(()) } else { Err(Failure::Denied) }
}

/// Who asks.
fn caller(arguments: &CheckArguments, config: &Config) -> Result<Caller, Failure> {
    let Some(identity) = &arguments.identity else { return Ok(Caller::clone(&Caller::local())) };
    let role = arguments.role.as_ref().map(|name| {
        let roles = Role::ALL.map(Role::as_str).join(", ");
        Role::named(name).ok_or_else(|| usage(format!("--role \"{name}\" must be one of {roles}")))
    });
    let namespace = arguments.namespace.as_deref().map(Into::into);
    who::caller(config, identity, namespace, role.transpose()?).map_err(usage)
}

/// Reads `HOST:PORT`, with IPv6 addresses in brackets.
fn host_and_port(text: &str, any_port: bool) -> Result<(String, u16), Failure> {
    let wrong = || usage(format!("\"{text}\" must be HOST:PORT, like db.example.com:5432 or [2001:db8::7]:443"));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.ok_or_else(wrong)?,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && (any_port || *port != 0)).ok_or_else(wrong)?;
    Ok((host.to_owned(), port))
}

fn address(host: &str) -> Result<IpAddr, Failure> {
    host.parse().map_err(|_| usage(format!("\"{host}\" must be an address, like 0.0.0.0 or ::1")))
}

fn dialled(
    in_force: &InForce,
    caller: &Caller,
    protocol: Protocol,
    (host, port): (String, u16),
    broadcast: bool,
) -> Result<Answer, Failure> {
    let is_name = literal(&host, port).map_err(|error| usage(&error))?.is_none();
    let name = is_name.then(|| canonical_name(&host));
    let dial = Dial { protocol, name: name.as_deref(), port, tls: false, broadcast };
    let of = |addresses, verdict| Answer { direction: "dial", protocol, host: host.clone(), port, addresses, verdict };
    if let Some(verdict) = in_force.dial_name(caller, &dial) {
        return Ok(of(Vec::new(), verdict));
    }
    let addresses: Vec<_> = resolve(&host, port)?
        .into_iter()
        .map(net::canonical)
        .map(|address| (address.ip(), in_force.dial(caller, &dial, address)))
        .collect();
    let first = addresses.iter().find(|(_, verdict)| verdict.allowed).or_else(|| addresses.first());
    let verdict = first
        .map(|(_, verdict)| verdict.clone())
        .ok_or_else(|| Failure::NoHost(format!("\"{host}\" has no address")))?;
    Ok(of(addresses, verdict))
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Runtime(error.into()))?;
    let resolver = Resolver::new(Limits::default().name_lookups, Arc::default());
    let found = runtime.block_on(async { resolver.resolve(host, port, Instant::now() + PATIENCE).await });
    runtime.shutdown_background();
    found.map_err(|error| match error {
        ResolveError::Malformed(_) => usage(&error),
        ResolveError::NotFound { .. } | ResolveError::TimedOut(_) => Failure::NoHost(error.to_string()),
    })
}

impl Answer {
    fn text(&self, caller: &Caller, profile: &str) -> String {
        let Caller { identity, namespace, role } = caller;
        let mut out = format!(
            "{} {} {} port {} as {identity} (namespace \"{namespace}\", role {}), profile {profile}\n",
            self.direction,
            self.protocol.as_str(),
            self.host,
            self.port,
            role.as_str(),
        );
        for (address, verdict) in &self.addresses {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {address}: {}", told(verdict));
        }
        let _ = writeln!(out, "{}", told(&self.verdict));
        out
    }

    fn json(&self, caller: &Caller, profile: &str) -> String {
        let addresses: Vec<_> = self
            .addresses
            .iter()
            .map(|(address, verdict)| {
                json!({
                    "address": address.to_string(),
                    "class": classify(*address).class.as_str(),
                    "allowed": verdict.allowed,
                    "rule": verdict.rule.to_string(),
                    "tls_missing": verdict.tls_missing,
                })
            })
            .collect();
        let answer = json!({
            "allowed": self.verdict.allowed,
            "rule": self.verdict.rule.to_string(),
            "tls_missing": self.verdict.tls_missing,
            "direction": self.direction,
            "protocol": self.protocol.as_str(),
            "host": self.host,
            "port": self.port,
            "identity": &*caller.identity,
            "namespace": &*caller.namespace,
            "role": caller.role.as_str(),
            "profile": profile,
            "addresses": addresses,
        });
        format!("{answer:#}\n")
    }
}

fn told(verdict: &Verdict) -> String {
    let Verdict { allowed, rule, tls_missing } = verdict;
    match (allowed, tls_missing) {
        (true, _) => format!("allowed by {rule}"),
        (false, true) => format!("denied by {rule}, which wants TLS"),
        (false, false) => format!("denied by {rule}"),
    }
}
