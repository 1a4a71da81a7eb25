//! The commands of docs/security.md: they run as they are, in their order, with real openssl and grpcurl, over TLS, and print what is
//! shown below them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{binary, programs::free_port};

/// The `sh` blocks, each with the lines that the `text` block after it shows.
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match (language, found.last_mut()) {
            ("sh", _) => found.push((body.join("\n"), Vec::new())),
            ("text", Some((_, shown))) => shown.extend(body.iter().map(|line| (*line).to_owned())),
            _ => {}
        }
    }
    found
}

#[test]
fn every_command_of_the_page_runs_over_tls_and_prints_what_is_shown() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).expect("the page");
    let page = page.replace("50051", &free_port().to_string());
    let blocks = blocks(&page);
    assert!(blocks.len() >= 5 && blocks.iter().filter(|(_, shown)| !shown.is_empty()).count() >= 3);
    let mut script = String::from("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n");
    for (at, (commands, _)) in blocks.iter().enumerate() {
        script.push_str(&format!("echo '=== {at}'\n{commands}\n"));
    }
    script.push_str("echo '=== end'\n");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let programs = Path::new(binary::PATH).parent().expect("a folder").display().to_string();
    let path = std::env::var("PATH").expect("a path");
    // Where a command waits for what never comes, the test ends all the same.
    let mut bash = Command::new("timeout");
    bash.args(["120", "bash", "-c", &script]).current_dir(folder.path()).env("PATH", format!("{programs}:{path}"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKET_GATEWAY_")) {
        bash.env_remove(name);
    }
    // The gateway's log goes to a file: it would hold this test's pipe open.
    let log = fs::File::create(folder.path().join("log")).expect("a file");
    let output = bash.stdin(Stdio::null()).stderr(log).output().expect("bash is here");
    let said = String::from_utf8(output.stdout).expect("text");
    let log = fs::read_to_string(folder.path().join("log")).expect("a log");
    assert!(output.status.success() && said.contains("=== end"), "{said}\n{log}");
    for (at, (_, shown)) in blocks.iter().enumerate() {
        let (_, rest) = said.split_once(&format!("=== {at}\n")).expect("it ran");
        let printed = rest.split("\n=== ").next().unwrap_or(rest);
        for line in shown {
            assert!(printed.contains(line.as_str()), "block {at} does not print {line:?}:\n{printed}\n{log}");
        }
    }
    assert!(!log.contains("sgw_"), "a token is in the log");
}
