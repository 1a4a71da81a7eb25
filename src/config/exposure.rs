//! What is left open to whom: who reaches the gRPC port, and whether they are asked who they are.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{
    Config,
    fault::{Fault, Origin},
    layers::Layers,
    off,
};
use crate::credentials::{About, ClientAuth, Problem, Sources, TlsFiles};

/// TLS of the gRPC port. Empty paths stand for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The gateway's certificate chain.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The authorities of client certificates.
    pub client_ca: String,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
}

/// How callers are asked who they are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityConfig {
    /// Health is told without credentials.
    pub health_open: bool,
    /// Reflection is answered without credentials.
    pub reflection_open: bool,
    /// How often changed files are looked for; zero: only on SIGHUP.
    #[serde(with = "humantime_serde")]
    pub poll_interval: std::time::Duration,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self { health_open: true, reflection_open: false, poll_interval: std::time::Duration::from_secs(10) }
    }
}

/// A port of its own for health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// Where; None: only on the gRPC port.
    #[serde(with = "off")]
    pub listen: Option<SocketAddr>,
}

/// What nobody should need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct InsecureConfig {
    /// Whoever reaches the gRPC port may use it, wherever it listens.
    pub allow_anyone_to_open_sockets: bool,
    /// Bearer tokens may come over connections that others can read.
    pub allow_tokens_in_the_clear: bool,
}

impl Config {
    /// Whether callers are asked who they are.
    pub fn has_identity(&self) -> bool {
        !self.identities.is_empty()
    }

    /// Where credentials come from.
    pub fn sources(&self) -> Sources {
        let TlsConfig { certificate, key, client_ca, client_auth } = &self.tls;
        let tls = (!certificate.is_empty() && !key.is_empty()).then(|| TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: (!client_ca.is_empty()).then(|| client_ca.into()),
            client_auth: *client_auth,
        });
        Sources {
            tls,
            tokens: self.identities.tokens.clone(),
            issuers: self.identities.issuers.clone(),
            certificates: self.identities.certificates.clone(),
        }
    }

    /// Whether the gRPC port may be at this address.
    ///
    /// # Errors
    /// A sentence that says why not, and what to do.
    pub fn check_exposure(&self, address: SocketAddr) -> Result<(), String> {
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        if !self.has_identity() && !self.insecure.allow_anyone_to_open_sockets {
            return Err(format!(
                "{address} can be reached from other machines, and nobody is asked who they are: whoever reaches it could open \
                 sockets from here. Listen on 127.0.0.1, or say who may call (`socket-gateway token` makes a token and the \
                 table for it; see docs/security.md). If only trusted programs reach the port, \
                 --insecure-allow-anyone-to-open-sockets lets everybody in"
            ));
        }
        let in_clear = self.identities.have_bearers() && self.tls.certificate.is_empty();
        if in_clear && !self.insecure.allow_tokens_in_the_clear {
            return Err(format!(
                "{address} can be reached from other machines, and tokens would come to it in the clear, for everybody on the way \
                 to take: set tls.certificate and tls.key. If something before the gateway speaks TLS (a proxy, a service mesh), \
                 --insecure-allow-tokens-in-the-clear lets them come so"
            ));
        }
        Ok(())
    }
}

/// Adds what does not go together, and what is wrong with the files.
pub(super) fn check(config: &Config, layers: &Layers, faults: &mut Vec<Fault>) {
    let before = faults.len();
    let mut tell = |key: &str, message: String| {
        let origin = layers.origin(key).cloned().unwrap_or_else(|| Origin::Flag(format!("default of {key}")));
        faults.push(Fault { origin, message: format!("{key}: {message}") });
    };
    let tls = &config.tls;
    let has_tls = !tls.certificate.is_empty() && !tls.key.is_empty();
    if tls.certificate.is_empty() != tls.key.is_empty() {
        let (given, missing) =
            if tls.key.is_empty() { ("tls.certificate", "tls.key") } else { ("tls.key", "tls.certificate") };
        tell(given, format!("needs {missing} as well"));
    }
    match (tls.client_auth, tls.client_ca.is_empty()) {
        (ClientAuth::Off, false) => {
            tell("tls.client_ca", "is of no use with client_auth = \"off\": say \"optional\" or \"required\"".into());
        }
        (ClientAuth::Optional | ClientAuth::Required, true) => {
            tell(
                "tls.client_auth",
                "needs tls.client_ca: the authorities that client certificates are checked against".into(),
            );
        }
        (ClientAuth::Optional | ClientAuth::Required, false) if !has_tls => {
            tell("tls.client_auth", "needs TLS: set tls.certificate and tls.key".into());
        }
        _ => {}
    }
    if let Err(message) = config.check_exposure(config.listen) {
        tell("listen", message);
    }
    if let Some(origin) = config.identities.first_certificate.clone().filter(|_| tls.client_auth == ClientAuth::Off) {
        let message = "identity.certificates: nobody is asked for a certificate: set tls.client_auth and tls.client_ca";
        faults.push(Fault { origin, message: message.into() });
    }
    check_declarations(config, faults);
    // Files are judged when what names them is right.
    if faults.len() == before
        && let Err(problems) = config.sources().load()
    {
        faults.extend(problems.iter().map(|problem| config.fault_of(problem, layers)));
    }
}

/// Where callers have namespaces, what is in none is nobody's.
fn check_declarations(config: &Config, faults: &mut Vec<Fault>) {
    if !config.has_identity() {
        return;
    }
    let declared = &config.declarations;
    let listeners = declared.tcp_listen.iter().map(|one| (&one.owner, &one.origin, "tcp_listen"));
    let sockets = declared.udp_in.iter().map(|one| (&one.owner, &one.origin, "udp_in"));
    let connections = declared.tcp_connect.iter().map(|one| (&one.owner, &one.origin, "tcp_connect"));
    for (owner, origin, kind) in listeners.chain(sockets).chain(connections) {
        if owner.namespace.is_empty() {
            let message = format!("{kind}.namespace: is required where callers have identities: whose it is");
            faults.push(Fault { origin: origin.clone(), message });
        }
    }
}

impl Config {
    fn fault_of(&self, problem: &Problem, layers: &Layers) -> Fault {
        let key = match problem.about {
            About::Certificate => "tls.certificate",
            About::Key => "tls.key",
            About::ClientCa => "tls.client_ca",
            About::Issuer(_) | About::Restart => "identity.jwt",
        };
        let origin = match problem.about {
            About::Issuer(at) => self.identities.issuer_origins.get(at),
            _ => layers.origin(key),
        };
        let origin = origin.cloned().unwrap_or_else(|| Origin::Flag(key.to_owned()));
        Fault { origin, message: format!("{key}: {}", problem.message) }
    }
}
