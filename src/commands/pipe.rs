//! `connect` and `listen`: standard input to a session, the session to standard output, as nc does.
//!
//! A pipe is byte-exact both ways. At the end of standard input the session's sending side ends (FIN), and the peer may still answer;
//! the command ends when the peer has ended.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use socket_gateway_client::{Data, Error, Line, Session, TcpOptions, Terminator};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    signal,
};

use super::{
    end::End,
    output::{self, Format, Shown},
    target::Target,
};

/// How long a peer may go on after the end of standard input. nc waits for ever, the gateway at most this long.
const AFTER_INPUT: Duration = Duration::from_secs(3600);

const READ_BYTES: usize = 64 * 1024;

#[derive(Args)]
pub(crate) struct Connect {
    /// A name or an address
    host: String,
    /// 1 to 65535
    port: u16,
    /// How long connecting may take, for example 3s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    connect_timeout: Option<Duration>,
    /// The id of the session; otherwise one is made up
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    style: Style,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct Listen {
    /// The gateway's port; 0 picks one
    port: u16,
    /// The gateway's address to listen on; otherwise all
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    host: String,
    /// Go on listening when a connection has ended; standard input goes to the connection that is there
    #[arg(long, short = 'k')]
    keep: bool,
    #[command(flatten)]
    style: Style,
    #[command(flatten)]
    target: Target,
}

/// How bytes are passed.
#[derive(Args)]
struct Style {
    /// By lines: each line of input is a send with a terminator, each inbound line a line of output
    #[arg(long)]
    line: bool,
    /// What ends a line that is sent, with --line
    #[arg(long, value_name = "END", value_enum, default_value_t = Ending::Lf, requires = "line")]
    terminator: Ending,
    /// Show inbound bytes as a hex dump
    #[arg(long, conflicts_with = "line")]
    hex: bool,
    /// End when nothing was sent or received for this long, for example 30s
    #[arg(long, short = 'w', value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

/// A line's end.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Ending {
    /// Line feed
    Lf,
    /// Carriage return and line feed
    Crlf,
    /// Carriage return
    Cr,
    /// Nothing
    None,
}

impl From<Ending> for Terminator {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Lf => Self::Lf,
            Ending::Crlf => Self::Crlf,
            Ending::Cr => Self::Cr,
            Ending::None => Self::None,
        }
    }
}

impl Style {
    fn options(&self) -> TcpOptions {
        let options = if self.line { TcpOptions::lines() } else { TcpOptions::binary() };
        // A peer that ends its side may still read what comes from standard input.
        let options = options.allow_half_open();
        match self.timeout {
            Some(time) => options.timeout(time).close_on_timeout(true),
            None => options,
        }
    }

    fn passing(&self, target: &Target) -> Passing {
        Passing {
            line: self.line.then(|| self.terminator.into()),
            shown: if self.hex { Shown::Hex } else { Shown::AsTheyAre },
            format: target.format(),
        }
    }
}

impl Connect {
    pub(crate) async fn run(self) -> Result<(), End> {
        let gateway = self.target.open(None).await?;
        let mut options = self.style.options();
        if let Some(time) = self.connect_timeout {
            options = options.connect_timeout(time);
        }
        if let Some(id) = &self.id {
            options = options.session_id(id);
        }
        let session = gateway.connect(&self.host, self.port, options).await?;
        let passing = self.style.passing(&self.target);
        if let Some(ends) = session.ends() {
            passing.tell("connected", &session, &format!("connected to {} from {}", ends.peer, ends.local))?;
        }
        passing.run(&session, &mut Input::new()).await
    }
}

impl Listen {
    pub(crate) async fn run(self) -> Result<(), End> {
        let gateway = self.target.open(None).await?;
        let listener = gateway.listen(&self.host, self.port, self.style.options()).await?;
        let passing = self.style.passing(&self.target);
        let address = listener.local_addr();
        match passing.format {
            Format::Json => {
                let (host, port) = (address.ip().to_string(), address.port());
                output::write_json(
                    &json!({"event": "listening", "host": host, "port": port, "listener_id": listener.id()}),
                )?;
            }
            Format::Text => output::note(format!("listening on {address}")),
        }
        let mut input = Input::new();
        loop {
            let session = tokio::select! {
                session = listener.accept() => session?,
                _ = signal::ctrl_c() => {
                    listener.close(true).await?;
                    return Err(End::interrupted());
                }
            };
            if let Some(ends) = session.ends() {
                passing.tell("connected", &session, &format!("connection from {}", ends.peer))?;
            }
            let ended = passing.run(&session, &mut input).await;
            if !self.keep {
                listener.close(false).await?;
                return ended;
            }
            if let Err(end) = ended {
                // One bad visitor is no reason to turn the next one away.
                let _ = end.tell();
            }
        }
    }
}

/// Standard input, shared by one connection after the other.
struct Input {
    stdin: BufReader<tokio::io::Stdin>,
    ended: bool,
}

impl Input {
    fn new() -> Self {
        Self { stdin: BufReader::with_capacity(READ_BYTES, tokio::io::stdin()), ended: false }
    }

    /// What comes next; None at the end.
    async fn next(&mut self, by_line: bool) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        if by_line {
            self.stdin.read_until(b'\n', &mut bytes).await?;
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
                return Ok(Some(bytes));
            }
        } else {
            bytes.reserve(READ_BYTES);
            self.stdin.read_buf(&mut bytes).await?;
        }
        Ok((!bytes.is_empty()).then_some(bytes))
    }
}

/// How bytes are passed.
struct Passing {
    /// By lines, and what ends one that is sent.
    line: Option<Terminator>,
    shown: Shown,
    format: Format,
}

impl Passing {
    async fn run(&self, session: &Session, input: &mut Input) -> Result<(), End> {
        let printing = self.print(session);
        let feeding = self.feed(session, input);
        tokio::pin!(printing);
        tokio::select! {
            biased;
            printed = &mut printing => printed?,
            fed = feeding => {
                // A peer that has ended takes nothing more: what it sent before is still printed, and its end decides.
                if let Err(error) = fed
                    && session.is_open()
                {
                    return Err(error);
                }
                printing.await?;
            }
            _ = signal::ctrl_c() => {
                session.abort().await?;
                return Err(End::interrupted());
            }
        }
        // The peer has ended its side. What standard input may still hold, it does not wait for: so does nc.
        session.disconnect().await?;
        let closed = session.closed().await?;
        let said = format!("{closed}; {} bytes received, {} sent", closed.received, closed.sent);
        self.tell("disconnected", session, &said)?;
        End::of_session(&closed)
    }

    /// The session to standard output, until the peer has ended.
    async fn print(&self, session: &Session) -> Result<(), End> {
        let mut offset = 0;
        loop {
            let data = match session.next().await {
                Ok(Some(data)) => data,
                // How it ended is told afterwards.
                Ok(None) | Err(Error::Closed(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            match data {
                Data::Chunk(bytes) if self.line.is_none() => {
                    self.put_chunk(offset, &bytes)?;
                    offset += bytes.len() as u64;
                }
                Data::Chunk(bytes) => self.put_line(&Line::Bytes(bytes))?,
                Data::Line(line) => self.put_line(&line)?,
                Data::Match(found) => {
                    for line in found.lines.iter().chain([&found.matched]) {
                        self.put_line(line)?;
                    }
                }
                Data::Flushed { lines, .. } => {
                    for line in &lines {
                        self.put_line(line)?;
                    }
                }
                Data::Datagram(_) => {}
            }
        }
    }

    fn put_chunk(&self, offset: u64, bytes: &[u8]) -> Result<(), End> {
        match (self.format, self.shown) {
            (Format::Json, _) => self.put_json(bytes),
            (Format::Text, Shown::Hex) => output::write(output::hex(offset, bytes).as_bytes()),
            (Format::Text, Shown::AsTheyAre) => output::write(bytes),
        }
    }

    fn put_line(&self, line: &Line) -> Result<(), End> {
        match self.format {
            Format::Json => self.put_json(line.as_bytes()),
            Format::Text if io::stdout().is_terminal() => output::write_line(output::printable(&line.to_string())),
            Format::Text => output::write(&[line.as_bytes(), b"\n"].concat()),
        }
    }

    fn put_json(&self, bytes: &[u8]) -> Result<(), End> {
        let (key, value) = output::json_bytes(bytes);
        let mut object = Map::new();
        object.insert("event".to_owned(), Value::from("data"));
        object.insert(key.to_owned(), value);
        output::write_json(&Value::Object(object))
    }

    /// What happened to the session: with JSON a line of output, otherwise a note where a person watches.
    fn tell(&self, event: &str, session: &Session, said: &str) -> Result<(), End> {
        match self.format {
            Format::Json => output::write_json(&json!({"event": event, "session_id": session.id(), "text": said})),
            Format::Text => {
                if io::stderr().is_terminal() {
                    output::note(said);
                }
                Ok(())
            }
        }
    }

    /// Standard input to the session. At its end the session's sending side ends.
    async fn feed(&self, session: &Session, input: &mut Input) -> Result<(), End> {
        while !input.ended {
            let read = input.next(self.line.is_some()).await;
            let read = read.map_err(|error| End::failed(format!("cannot read standard input: {error}")))?;
            match (read, self.line) {
                (None, _) => input.ended = true,
                (Some(bytes), None) => drop(session.send(bytes).await?),
                (Some(bytes), Some(terminator)) => {
                    let how = socket_gateway_client::SendOptions::default().terminator(terminator);
                    match String::from_utf8(bytes) {
                        Ok(text) => drop(session.send_with(text, how).await?),
                        Err(error) => {
                            // The terminator follows text only.
                            let mut bytes = error.into_bytes();
                            bytes.extend_from_slice(end_of(terminator));
                            drop(session.send(bytes).await?);
                        }
                    }
                }
            }
        }
        Ok(session.disconnect_within(AFTER_INPUT).await?)
    }
}

fn end_of(terminator: Terminator) -> &'static [u8] {
    match terminator {
        Terminator::Lf => b"\n",
        Terminator::Crlf => b"\r\n",
        Terminator::Cr => b"\r",
        Terminator::None | Terminator::Unspecified => b"",
    }
}
