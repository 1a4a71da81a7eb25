//! Tests of the room, with files in a scratch folder and an environment that is a list.

mod declared;
mod policy;
mod settings;

use std::{ffi::OsString, fs};

use super::{Config, Flags};

/// The configuration of a file, an environment and `--set` flags; faults come as their lines, with the file called FILE.
fn load(file: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("gateway.toml");
    fs::write(&path, file).expect("a scratch file");
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let flags = Flags {
        file: Some(path.clone()),
        named: Vec::new(),
        set: set.iter().map(|assignment| (*assignment).to_owned()).collect(),
    };
    Config::load(&flags, &environment).map_err(|faults| {
        faults.iter().map(|fault| fault.to_string().replace(&path.display().to_string(), "FILE")).collect()
    })
}

/// The faults of a file alone.
fn faults(file: &str) -> Vec<String> {
    load(file, &[], &[]).map(|_| ()).expect_err("the file has faults")
}

/// Each fault, in order, begins with what is expected.
#[track_caller]
fn assert_faults(found: &[String], expected: &[&str]) {
    let same = found.len() == expected.len() && found.iter().zip(expected).all(|(fault, part)| fault.starts_with(part));
    assert!(same, "found {found:#?}\nexpected {expected:#?}");
}
