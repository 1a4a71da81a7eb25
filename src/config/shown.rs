//! The table of settings as people read it.

use std::fmt::Write as _;

use toml::Value;

use super::{
    Config,
    settings::{SETTINGS, values},
};

/// All settings as a table in Markdown, for the README.
pub fn markdown() -> String {
    let defaults = values(&Config::default());
    let mut out = String::from("| Setting | Environment variable | Default | Meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = shown(setting.key, &defaults[setting.key]);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{}` | `{}` | {default} | {} |", setting.key, setting.environment(), setting.meaning);
    }
    out
}

fn shown(key: &str, value: &Value) -> String {
    const UNITS: [(i64, &str); 2] = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    match value {
        Value::Integer(bytes) if key.ends_with("_bytes") => UNITS
            .iter()
            .find(|(unit, _)| *bytes >= *unit && bytes % unit == 0)
            .map_or_else(|| format!("`{bytes}`"), |(unit, name)| format!("`{bytes}` ({} {name})", bytes / unit)),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}
