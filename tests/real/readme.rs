//! The README's promises: every command line in it runs here, in its order, and prints what the README shows.
//!
//! Ports are exchanged for free ones beforehand. Ids, times and the system's choice of ports differ from run to run: an id must
//! only be the same wherever the README shows the same one, and stands for it in later commands.
//!
//! A `console` block holds commands and their output, a `json` block what the newest subscription prints next, an `sh` block
//! commands whose output is not shown, a `toml` block a configuration.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver},
};

use regex::{Captures, Regex};
use serde_json::{Deserializer, Value};

use crate::support::{
    PATIENCE, binary, eventually,
    grpcurl::list,
    programs::{Process, accepts, built_example, command, free_port},
};

/// Ports that the README gives to servers, or where nobody listens.
const PORTS: [&str; 6] = ["6379", "2323", "4000", "4242", "4299", "7777"];

/// The ports that are awaited when a program was started on them.
const SERVER: &str = "redis-server";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_command_runs_and_prints_what_is_shown() {
    let (address, _gateway) = binary::serve(&mut Command::new(binary::PATH));
    let mut text = readme().replace("127.0.0.1:50051", &address.to_string());
    let ports: Vec<String> = PORTS.iter().map(|_| free_port().to_string()).collect();
    for (shown, free) in PORTS.iter().zip(&ports) {
        text = Regex::new(&format!(r"\b{shown}\b")).expect("a pattern").replace_all(&text, free.as_str()).into_owned();
    }
    let mut reader = Reader { gateway: format!("http://{address}"), ports, running: Vec::new(), ids: HashMap::new() };
    let mut executed = 0;
    for block in blocks(&text) {
        eprintln!("README.md:{}", block.line);
        match block.language.as_str() {
            "sh" => {
                for line in block.text.lines() {
                    reader.does(line);
                    executed += 1;
                }
            }
            "console" => {
                for step in steps(&block.text) {
                    reader.reads(&step);
                    executed += 1;
                }
            }
            "json" => reader.is_sent(&block.text),
            "toml" => check_configuration(&block.text),
            other => panic!("what is a block of {other:?}? Use console, sh, json or toml"),
        }
    }
    assert!(executed > 20, "only {executed} commands were found");
}

#[test]
fn the_first_command_runs_the_gateway_on_the_address_shown() {
    let manifest: toml::Table =
        fs::read_to_string(format!("{ROOT}/Cargo.toml")).expect("it is there").parse().expect("TOML");
    let binaries = manifest["bin"].as_array().expect("binaries");
    assert_eq!(binaries.len(), 1, "`cargo run` must not have to choose");
    assert_eq!(binaries[0]["name"].as_str(), Some("socket-gateway"));
    assert!(Path::new(ROOT).join("Cargo.lock").is_file(), "--locked needs it");
    let help = Command::new(binary::PATH).arg("--help").output().expect("it runs");
    assert!(String::from_utf8_lossy(&help.stdout).contains("[default: 127.0.0.1:50051]"));
}

#[test]
fn every_link_leads_to_a_file() {
    let link = Regex::new(r"\]\(([^)#]+)\)").expect("a pattern");
    let text = readme();
    // Every second piece is a block, where patterns may look like links.
    let prose: String = text.split("```").step_by(2).collect();
    for found in link.captures_iter(&prose) {
        let target = &found[1];
        let exists = target.starts_with("https://") || Path::new(ROOT).join(target).exists();
        assert!(exists, "{target} is not there");
    }
}

/// Follows the README at a terminal, or several.
struct Reader {
    gateway: String,
    ports: Vec<String>,
    running: Vec<Running>,
    /// From ids as shown to real ones.
    ids: HashMap<String, String>,
}

/// A command that runs on in a terminal of its own, and the lines it prints.
struct Running {
    command: String,
    lines: Receiver<String>,
    envelopes: VecDeque<Value>,
    _process: Process,
}

struct Block {
    language: String,
    line: usize,
    text: String,
}

/// A command and what it prints.
struct Step {
    command: String,
    output: String,
}

impl Reader {
    /// A command without output.
    fn does(&mut self, line: &str) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        match line {
            // Checked by the other test, and run by binary::serve.
            "cargo run --release --locked" => {}
            // It runs this very test, so it is only looked at.
            "scripts/test" => {
                let mode = fs::metadata(format!("{ROOT}/{line}")).expect("it is there").permissions().mode();
                assert_eq!(mode & 0o111, 0o111, "it is executable");
                succeeds(command("bash").args(["-n", line]));
            }
            _ => self.reads(&Step { command: line.to_owned(), output: String::new() }),
        }
    }

    fn reads(&mut self, step: &Step) {
        let command = self.real(&step.command);
        if runs_on(&command) {
            assert!(step.output.is_empty(), "show what {command} prints in a json block");
            self.running.push(self.start(&command));
            return;
        }
        let output = self.shell(&command).stdin(Stdio::null()).output().expect("bash runs");
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        let fails = step.output.starts_with("ERROR:");
        assert_eq!(output.status.success(), !fails, "{command}\n{printed}");
        if step.output.is_empty() {
            return;
        }
        match (values(&step.output), values(&printed)) {
            (Some(shown), Some(real)) => self.compare(&command, &shown, &real),
            _ => assert_eq!(words(&printed), words(&step.output), "{command}\n{printed}"),
        }
    }

    /// What the newest subscription prints next.
    fn is_sent(&mut self, text: &str) {
        let mut running = self.running.pop().expect("a subscription");
        assert!(running.command.contains("/Subscribe"), "{} prints no json", running.command);
        for message in values(text).expect("JSON") {
            for shown in list(&message["envelopes"]) {
                let real = running.envelope();
                self.compare(&running.command, &[shown], &[real]);
            }
        }
        self.running.push(running);
    }

    fn compare(&mut self, command: &str, shown: &[Value], real: &[Value]) {
        let alike =
            shown.len() == real.len() && shown.iter().zip(real).all(|(shown, real)| self.alike("", shown, real));
        assert!(alike, "{command}\nshown: {shown:#?}\nreal: {real:#?}");
    }

    fn alike(&mut self, key: &str, shown: &Value, real: &Value) -> bool {
        match (shown, real) {
            (Value::Object(shown), Value::Object(real)) => {
                shown.keys().eq(real.keys()) && shown.iter().all(|(key, value)| self.alike(key, value, &real[key]))
            }
            (Value::Array(shown), Value::Array(real)) => {
                shown.len() == real.len() && shown.iter().zip(real).all(|(shown, real)| self.alike(key, shown, real))
            }
            (Value::String(shown), Value::String(real)) => match key {
                "timestamp" | "messageId" => true,
                _ if id().is_match(shown) => {
                    id().is_match(real) && self.ids.entry(shown.clone()).or_insert_with(|| real.clone()) == real
                }
                _ => shown == real,
            },
            (Value::Number(shown), Value::Number(real)) => {
                let chosen_by_system =
                    ["localPort", "remotePort"].contains(&key) && !self.ports.contains(&shown.to_string());
                chosen_by_system || shown == real
            }
            _ => shown == real,
        }
    }

    /// A command with real ids and programs.
    fn real(&self, command: &str) -> String {
        let known = |found: &Captures<'_>| {
            self.ids.get(&found[0]).cloned().unwrap_or_else(|| panic!("{} was not shown", &found[0]))
        };
        let command = id().replace_all(command, known);
        let example = Regex::new(r"cargo run --example (\w+)(?: --)?").expect("a pattern");
        let built = |found: &Captures<'_>| built_example(&found[1]).display().to_string();
        let command = example.replace_all(&command, built);
        command.replace("target/release/socket-gateway", binary::PATH)
    }

    fn shell(&self, script: &str) -> Command {
        let mut bash = command("bash");
        bash.args(["-c", script]).current_dir(ROOT).env("GATEWAY", &self.gateway);
        bash
    }

    fn start(&self, command: &str) -> Running {
        let mut bash = self.shell(&format!("exec {command}"));
        let mut process = Process::start(bash.stdin(Stdio::null()).stdout(Stdio::piped()));
        let output = process.child().stdout.take().expect("piped");
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may have seen enough.
                let _ = tell.send(line);
            }
        });
        let mut running = Running { command: command.to_owned(), lines, envelopes: VecDeque::new(), _process: process };
        if command.contains("/Subscribe") {
            assert!(running.message()["start"].is_object(), "a stream begins with its start");
        } else {
            running.line();
        }
        if command.starts_with(SERVER) {
            let port = self.ports[0].parse().expect("a port");
            eventually("the server answers", || accepts(port));
        }
        running
    }
}

impl Running {
    fn line(&mut self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{} prints nothing more: {error}", self.command))
    }

    fn message(&mut self) -> Value {
        let mut message = String::new();
        loop {
            let line = self.line();
            message.push_str(&line);
            if line == "}" {
                return serde_json::from_str(&message).unwrap_or_else(|error| panic!("{message}: {error}"));
            }
        }
    }

    fn envelope(&mut self) -> Value {
        loop {
            if let Some(envelope) = self.envelopes.pop_front() {
                return envelope;
            }
            let message = self.message();
            self.envelopes.extend(list(&message["envelopes"]));
        }
    }
}

/// Whether a command goes on until somebody ends it.
fn runs_on(command: &str) -> bool {
    command.starts_with(SERVER)
        || command.contains("/Subscribe")
        || command.contains("examples/tcp_server ")
        || command.contains("examples/multicast receive ")
}

fn check_configuration(text: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("gateway.toml");
    fs::write(&file, text).expect("it is ours");
    succeeds(Command::new(binary::PATH).arg("check").arg(&file));
}

fn succeeds(command: &mut Command) {
    let output = command.current_dir(ROOT).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn readme() -> String {
    fs::read_to_string(format!("{ROOT}/README.md")).expect("it is there")
}

/// The fenced blocks.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(Block { language: language.into(), line: number + 1, text: String::new() })
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => assert!(!line.starts_with("$ "), "line {}: a command outside a block", number + 1),
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The commands of a console block. A command goes on in the lines after it until its quotes and backslashes are closed.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), output: String::new() });
            continue;
        }
        let step = steps.last_mut().expect("a console block starts with a command");
        let unfinished = step.command.ends_with('\\') || step.command.matches('\'').count() % 2 == 1;
        let target = if step.output.is_empty() && unfinished { &mut step.command } else { &mut step.output };
        if !target.is_empty() {
            target.push('\n');
        }
        target.push_str(line);
    }
    steps
}

/// The JSON values of a text that has nothing else.
fn values(text: &str) -> Option<Vec<Value>> {
    Deserializer::from_str(text).into_iter().collect::<Result<Vec<_>, _>>().ok().filter(|values| !values.is_empty())
}

/// Line ends and indentation aside.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// An id that the gateway made.
fn id() -> Regex {
    Regex::new("(sess|lstn)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").expect("a pattern")
}
