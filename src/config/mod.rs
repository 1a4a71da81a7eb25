//! Settings and start-up declarations: read, checked as a whole, and opened.
//!
//! Every setting is reached in three ways, and later ones win: file, environment, flags. All of them go through the one table in
//! `settings`, so none can miss a key. Nothing is opened before everything is found right, and whatever is wrong is told at once,
//! each fault with its place. Only this room reads the environment.

mod clashes;
mod declarations;
mod differences;
mod document;
mod exposure;
mod fault;
mod fields;
mod identity;
mod layers;
mod off;
mod open;
mod policy;
mod quota;
mod setting;
mod settings;
mod shown;
mod sources;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use http::Uri;
use serde::{Deserialize, Serialize};

pub use self::{
    declarations::{Declarations, Declared},
    differences::Difference,
    exposure::{HealthConfig, IdentityConfig, InsecureConfig, TlsConfig},
    fault::{Fault, Faults, Origin},
    identity::Identities,
    open::open,
    policy::{PolicyConfig, ProfileChoice, Rules},
    setting::{ENVIRONMENT_PREFIX, Setting},
    settings::SETTINGS,
    shown::markdown,
    sources::{FILE_VARIABLE, Flags, environment},
};
use self::{document::Document, layers::Layers};
use crate::{
    audit::Target,
    limits::Limits,
    quota::{Quota, Quotas},
};

/// A gateway's configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the gRPC server listens.
    pub listen: SocketAddr,
    /// What is logged, and how.
    pub log: LogConfig,
    /// The admin server.
    pub admin: AdminConfig,
    /// The audit log.
    pub audit: AuditConfig,
    /// What does the work.
    pub runtime: RuntimeConfig,
    /// Traces.
    pub tracing: TracingConfig,
    /// TLS of the gRPC port.
    pub tls: TlsConfig,
    /// How callers are asked who they are.
    pub identity: IdentityConfig,
    /// A port of its own for health.
    pub health: HealthConfig,
    /// What nobody should need.
    pub insecure: InsecureConfig,
    /// Who may call.
    #[serde(skip)]
    pub identities: Identities,
    /// All bounds.
    pub limits: Limits,
    /// What one identity may use.
    pub quota: Quota,
    /// Identities with a quota of their own.
    #[serde(skip)]
    pub own_quotas: HashMap<Arc<str>, Quota>,
    /// Which profile follows the policy's rules.
    pub policy: PolicyConfig,
    /// The policy's rules.
    #[serde(skip)]
    pub rules: Rules,
    /// What is opened at start.
    #[serde(skip)]
    pub declarations: Declarations,
}

/// The admin server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Where it listens; None: there is none.
    #[serde(with = "off")]
    pub listen: Option<SocketAddr>,
}

/// Traces.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracingConfig {
    /// The OTLP receiver (gRPC) that gets them; None: there are none.
    #[serde(with = "off")]
    pub otlp_endpoint: Option<Uri>,
    /// The share of traces that begin here which are sampled; those that callers began are sampled as the callers say.
    pub sample_ratio: f64,
}

impl Default for TracingConfig {
    fn default() -> Self {
        Self { otlp_endpoint: None, sample_ratio: 1.0 }
    }
}

/// The audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Where it goes; None: there is none.
    #[serde(with = "off")]
    pub file: Option<Target>,
}

/// What does the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// How many threads; 0: one for each core the process may use.
    pub threads: usize,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// For whom.
    pub format: LogFormat,
    /// A level, or directives for each target.
    pub filter: String,
}

/// For whom logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, for machines elsewhere.
    Auto,
    /// For people.
    Human,
    /// For machines: one JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_051)),
            log: LogConfig::default(),
            admin: AdminConfig::default(),
            audit: AuditConfig::default(),
            runtime: RuntimeConfig::default(),
            tracing: TracingConfig::default(),
            tls: TlsConfig::default(),
            identity: IdentityConfig::default(),
            health: HealthConfig::default(),
            insecure: InsecureConfig::default(),
            identities: Identities::default(),
            limits: Limits::default(),
            quota: Quota::default(),
            own_quotas: HashMap::new(),
            policy: PolicyConfig::default(),
            rules: Rules::default(),
            declarations: Declarations::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned() }
    }
}

impl Config {
    /// The configuration from all sources.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(flags: &Flags, environment: &[(OsString, OsString)]) -> Result<Self, Faults> {
        let file = sources::file(flags, environment);
        Self::build(file.as_deref(), |layers, faults| {
            sources::give_environment(environment, layers, faults);
            sources::give_flags(flags, layers, faults);
        })
    }

    /// The configuration of a file alone.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn of_file(file: &Path) -> Result<Self, Faults> {
        Self::build(Some(file), |_, _| ())
    }

    /// What identities may use.
    pub fn quotas(&self) -> Quotas {
        Quotas { all: self.quota, own: self.own_quotas.clone() }
    }

    fn build(file: Option<&Path>, over: impl FnOnce(&mut Layers, &mut Vec<Fault>)) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut layers = Layers::default();
        let document = file.and_then(|file| Document::read(file).map_err(|fault| faults.push(fault)).ok());
        let table = document.as_ref().map(|document| (document, document.parse(&mut faults)));
        let broken: Vec<Origin> = faults.iter().map(|fault| fault.origin.clone()).collect();
        if let Some((document, table)) = &table {
            sources::give_file(document, table, &mut layers, &mut faults);
        }
        over(&mut layers, &mut faults);
        let mut config = layers.settle(&mut faults);
        if let Some((document, table)) = &table {
            config.declarations = declarations::read(document, table, &config.limits, &mut faults);
            config.identities = identity::read(document, table, &mut faults);
            config.own_quotas = quota::read(document, table, config.quota, &mut faults);
            config.rules = policy::read(document, table, &mut faults);
        }
        exposure::check(&config, &layers, &mut faults);
        policy::check_declared(&config, &mut faults);
        clashes::check(&config, layers.origin("listen"), &mut faults);
        // What is found on a broken line is a consequence of it.
        let consequences = faults.split_off(broken.len());
        faults.extend(consequences.into_iter().filter(|fault| !broken.contains(&fault.origin)));
        Faults::check(faults).map(|()| config)
    }
}
