//! grpcurl as the gateway's client: it learns the API by reflection and speaks JSON, as a person at a terminal does.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    process::{Command, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
};

use serde_json::{Deserializer, Value, json};

use super::{
    PATIENCE,
    programs::{Process, command},
};

/// grpcurl, pointed at a gateway.
#[derive(Clone)]
pub struct Grpcurl {
    addr: String,
    namespace: Option<String>,
}

impl Grpcurl {
    pub fn to(addr: SocketAddr) -> Self {
        Self { addr: addr.to_string(), namespace: None }
    }

    /// Runs it in a network namespace, where the gateway is.
    pub fn inside(namespace: &str, addr: SocketAddr) -> Self {
        Self { addr: addr.to_string(), namespace: Some(namespace.to_owned()) }
    }

    /// A command: the flags, the address, the rest.
    pub fn command(&self, flags: &[&str], rest: &[&str]) -> Command {
        let mut command = match &self.namespace {
            Some(namespace) => {
                let mut ip = command("ip");
                ip.args(["netns", "exec", namespace, "grpcurl"]);
                ip
            }
            None => command("grpcurl"),
        };
        command.arg("-plaintext").args(flags).arg(&self.addr).args(rest);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, flags: &[&str], rest: &[&str]) -> Output {
        let mut command = self.command(flags, rest);
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Runs it, and gives what it prints.
    pub fn prints(&self, flags: &[&str], rest: &[&str]) -> String {
        let output = self.run(flags, rest);
        assert!(output.status.success(), "grpcurl {flags:?} {rest:?} failed:\n{}", text(output.stderr));
        text(output.stdout)
    }

    /// Calls a method, `TcpConnect` or `SessionService/GetSession`, that succeeds.
    pub fn call(&self, method: &str, request: &Value) -> Value {
        let answer = self.prints(&["-d", &request.to_string()], &[&full(method)]);
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{method} answered {answer}: {error}"))
    }

    /// Calls a method that fails, and gives its status in JSON.
    pub fn refused(&self, method: &str, request: &Value) -> Value {
        let output = self.run(&["-format-error", "-d", &request.to_string()], &[&full(method)]);
        assert!(!output.status.success(), "{method} succeeded: {}", text(output.stdout));
        let status = text(output.stderr);
        serde_json::from_str(&status).unwrap_or_else(|error| panic!("{method} answered {status}: {error}"))
    }

    /// One exchange of a line that ends in CRLF; no line: it waits for what the peer says by itself. Gives the answer.
    pub fn exchange(&self, session: &str, line: &str, wait_for: &str) -> Value {
        let request = json!({
            "session_id": session,
            "payload": [{ "text": line }],
            "line_terminator": "LINE_TERMINATOR_CRLF",
            "wait_for": wait_for,
        });
        self.call("TcpExchange", &request)
    }

    /// A subscription; its start has come.
    pub fn subscribe(&self, request: &Value) -> Envelopes {
        let mut command = self.command(&["-d", &request.to_string()], &[&full("Subscribe")]);
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let output = process.child().stdout.take().expect("piped");
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let reader = std::io::BufReader::new(output);
            for message in Deserializer::from_reader(reader).into_iter::<Value>() {
                // The end of grpcurl may cut a message; a test that has seen enough is gone.
                let Ok(message) = message else { return };
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let mut envelopes = Envelopes { messages: told, waiting: VecDeque::new(), _process: process };
        let first = envelopes.message().expect("the stream starts");
        assert!(first["start"]["instanceId"].is_string(), "no start: {first}");
        envelopes.waiting.extend(list(&first["envelopes"]));
        envelopes
    }
}

/// What a subscription prints, one envelope at a time.
pub struct Envelopes {
    messages: Receiver<Value>,
    waiting: VecDeque<Value>,
    _process: Process,
}

impl Envelopes {
    fn message(&mut self) -> Option<Value> {
        match self.messages.recv_timeout(PATIENCE) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => panic!("nothing came"),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    pub fn next(&mut self) -> Value {
        loop {
            if let Some(envelope) = self.waiting.pop_front() {
                return envelope;
            }
            let message = self.message().expect("the stream goes on");
            self.waiting.extend(list(&message["envelopes"]));
        }
    }

    /// The next envelope, which must be of this event, named as in JSON without its prefix.
    pub fn expect(&mut self, event: &str) -> Value {
        let envelope = self.next();
        assert_eq!(envelope["event"], format!("EVENT_{event}"), "{envelope}");
        envelope
    }

    /// Skips to the next envelope of this event.
    pub fn until(&mut self, event: &str) -> Value {
        let wanted = format!("EVENT_{event}");
        loop {
            let envelope = self.next();
            if envelope["event"] == wanted {
                return envelope;
            }
        }
    }

    /// Skips to the next data.
    pub fn data(&mut self) -> Value {
        self.until("DATA")["data"].take()
    }

    /// Skips to the next data, which must be text.
    pub fn text(&mut self) -> String {
        let data = self.data();
        data["text"].as_str().unwrap_or_else(|| panic!("not text: {data}")).to_owned()
    }

    /// Skips to the next data, which must be a datagram.
    pub fn datagram(&mut self) -> Value {
        let mut data = self.data();
        assert!(data["datagram"].is_object(), "not a datagram: {data}");
        data["datagram"].take()
    }
}

/// The elements of an array; none of what is absent.
pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn full(method: &str) -> String {
    if method.contains('.') {
        method.to_owned()
    } else if method.contains('/') {
        format!("tcpip.v1.{method}")
    } else {
        format!("tcpip.v1.SocketGatewayService/{method}")
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("grpcurl prints UTF-8")
}
