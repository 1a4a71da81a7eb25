//! Where settings come from: file, environment, flags. Later ones win: defaults < file < environment < flags.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use toml::{
    Value,
    de::{DeTable, DeValue},
};

use super::{
    declarations::KINDS,
    document::{Document, kind, whole_number},
    fault::{Fault, Origin, did_you_mean},
    identity,
    layers::Layers,
    policy, quota,
    setting::ENVIRONMENT_PREFIX,
    settings::{SETTINGS, setting},
};

/// Names the file when no flag does.
pub const FILE_VARIABLE: &str = "SOCKET_GATEWAY_CONFIG";

/// What clients and the client commands read: a shell that has them must be able to start a gateway too.
const CLIENT_VARIABLES: [&str; 3] = ["SOCKET_GATEWAY_TARGET", "SOCKET_GATEWAY_TOKEN", "SOCKET_GATEWAY_CA"];

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file.
    pub file: Option<PathBuf>,
    /// Flags that stand for one setting: the flag, the key and the value.
    pub named: Vec<(&'static str, &'static str, String)>,
    /// `KEY=VALUE`, any number of times; they come after the named ones.
    pub set: Vec<String>,
}

/// The environment of this process.
#[expect(clippy::disallowed_methods, reason = "config reads the environment")]
pub fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// The file to read, by flag or environment.
pub(super) fn file(flags: &Flags, environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    let variable = || environment.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
    flags.file.clone().or_else(|| variable().map(|(_, value)| value.into()))
}

/// Settings of a file. Declarations are left to `declarations`, rules to `policy`.
pub(super) fn give_file(document: &Document, table: &DeTable<'_>, layers: &mut Layers, faults: &mut Vec<Fault>) {
    give_table(document, "", table, layers, faults);
}

fn give_table(document: &Document, prefix: &str, table: &DeTable<'_>, layers: &mut Layers, faults: &mut Vec<Fault>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        let listed = [&identity::LISTS[..], &policy::LISTS, &quota::LISTS].concat().contains(&key.as_str());
        if listed || prefix.is_empty() && KINDS.contains(&key.as_str()) {
            continue;
        }
        let origin = document.origin(&name.span());
        let message = if let Some(setting) = setting(&key) {
            match plain(value.get_ref()) {
                Some(value) => {
                    layers.give(setting, value, origin);
                    continue;
                }
                None => format!("{key}: is {}, which fits no setting", kind(value.get_ref())),
            }
        } else if is_group(&key) {
            match value.get_ref() {
                DeValue::Table(inner) => {
                    give_table(document, &key, inner, layers, faults);
                    continue;
                }
                other => format!("{key}: must be a table, [{key}], not {}", kind(other)),
            }
        } else {
            let known = SETTINGS
                .iter()
                .map(|setting| setting.key)
                .chain(GROUPS)
                .chain(KINDS)
                .chain(identity::LISTS)
                .chain(policy::LISTS)
                .chain(quota::LISTS);
            format!("{key}: no such setting{}", did_you_mean(&key, known))
        };
        faults.push(Fault { origin, message });
    }
}

/// The tables that hold settings.
const GROUPS: [&str; 12] = [
    "admin", "audit", "health", "identity", "insecure", "limits", "log", "policy", "quota", "runtime", "tls", "tracing",
];

fn is_group(key: &str) -> bool {
    GROUPS.contains(&key)
}

/// A value that a setting may have.
fn plain(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        // What does not fit is larger than any setting may be.
        DeValue::Integer(_) => Some(Value::Integer(whole_number(value).unwrap_or(i64::MAX))),
        DeValue::Float(number) => number.as_str().parse().ok().map(Value::Float),
        DeValue::Boolean(yes) => Some(Value::Boolean(*yes)),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Settings of the environment. An empty variable counts as unset, as deployment tools make them.
pub(super) fn give_environment(environment: &[(OsString, OsString)], layers: &mut Layers, faults: &mut Vec<Fault>) {
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENVIRONMENT_PREFIX)) else { continue };
        let is_no_setting = name == FILE_VARIABLE || CLIENT_VARIABLES.contains(&name);
        if is_no_setting || value.is_empty() || is_service_link(name, value) {
            continue;
        }
        let origin = Origin::Environment(name.to_owned());
        let names: Vec<_> = SETTINGS.iter().map(|setting| (setting, setting.environment())).collect();
        let message = match (names.iter().find(|(_, known)| known == name), value.to_str()) {
            (Some((setting, _)), Some(text)) => {
                layers.give_text(setting, text, origin);
                continue;
            }
            (Some(_), None) => "is not UTF-8 text".to_owned(),
            (None, _) => {
                let known = names.iter().map(|(_, name)| name.as_str()).chain([FILE_VARIABLE]);
                format!("no such setting{}", did_you_mean(name, known))
            }
        };
        faults.push(Fault { origin, message });
    }
}

/// Kubernetes puts variables for its services into every container, and a service may well be called socket-gateway.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_url)
        || name.split_once("_PORT_").is_some_and(|(_, rest)| {
            let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            digits.len() < rest.len() && ["_TCP", "_UDP", "_SCTP"].iter().any(|end| digits.starts_with(end))
        })
}

/// Settings of the command line.
pub(super) fn give_flags(flags: &Flags, layers: &mut Layers, faults: &mut Vec<Fault>) {
    for (flag, key, value) in &flags.named {
        let setting = setting(key).expect("a flag stands for a setting");
        layers.give_text(setting, value, Origin::Flag((*flag).to_owned()));
    }
    for assignment in &flags.set {
        let origin = Origin::Flag(format!("--set {assignment}"));
        let message = match assignment.split_once('=') {
            None => "must be KEY=VALUE, like limits.sessions=100".to_owned(),
            Some((key, value)) => {
                if let Some(setting) = setting(key) {
                    layers.give_text(setting, value, origin);
                    continue;
                }
                let known = SETTINGS.iter().map(|setting| setting.key);
                format!("{key}: no such setting{}", did_you_mean(key, known))
            }
        };
        faults.push(Fault { origin, message });
    }
}
