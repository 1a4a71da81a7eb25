//! Sends a mail: SMTP, command by command, over a session.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_smtp -- --host mail.example --to you@example.org "How are you?"
//! ```

use std::error::Error;

use clap::Parser;
use socket_gateway_client::{Exchange, Gateway, Payload, Session, TcpOptions, Terminator};

/// The last line of a reply: three digits and a blank. Those before it have a hyphen.
const REPLY: &str = "^[0-9]{3} ";

/// Sends a mail.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    /// The mail server
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long, default_value_t = 25)]
    port: u16,
    #[arg(long, default_value = "me@example.org")]
    sender: String,
    /// May be given several times
    #[arg(long, required = true)]
    to: Vec<String>,
    #[arg(long, default_value = "")]
    subject: String,
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let server = gateway.connect(&options.host, options.port, TcpOptions::lines()).await?;
    let server = server.with_terminator(Terminator::Crlf);
    // The greeting comes unasked.
    while server.next_line().await?.ok_or("the server hung up")?.as_bytes().get(3) != Some(&b' ') {}
    expect(&server, "EHLO client.example.org", '2').await?;
    expect(&server, format!("MAIL FROM:<{}>", options.sender), '2').await?;
    for receiver in &options.to {
        expect(&server, format!("RCPT TO:<{receiver}>"), '2').await?;
    }
    expect(&server, "DATA", '3').await?;
    let mut mail = Payload::none()
        .and_text(format!("From: {}", options.sender))
        .and_text(format!("To: {}", options.to.join(", ")))
        .and_text(format!("Subject: {}", options.subject))
        .and_text("");
    for line in options.text.lines() {
        // A line that begins with a dot gets another one (RFC 5321, section 4.5.2).
        let dot = if line.starts_with('.') { "." } else { "" };
        mail = mail.and_text(format!("{dot}{line}"));
    }
    expect(&server, mail.and_text("."), '2').await?;
    expect(&server, "QUIT", '2').await?;
    println!("{} took the mail", options.host);
    Ok(())
}

/// Says something, and reads the reply, which must be of this class.
async fn expect(server: &Session, said: impl Into<Payload>, class: char) -> Result<(), Box<dyn Error>> {
    let reply = server.exchange(said, Exchange::until(REPLY)).await?.text();
    if reply.lines().last().is_some_and(|line| line.starts_with(class)) { Ok(()) } else { Err(reply.into()) }
}
