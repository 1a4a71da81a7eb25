//! Audit records and how they are written.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::ser::Serializer;

use super::{Who, ascii::Ascii};

/// What is recorded.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// A dial, an accepted connection or a bound UDP socket is open.
    SessionOpened {
        /// Its id.
        session: &'a str,
        /// What it is.
        kind: &'static str,
        /// Who gets its events.
        subscriber: &'a str,
        /// The listener that accepted it.
        #[serde(skip_serializing_if = "Option::is_none")]
        listener: Option<&'a str>,
        /// The host that was asked for, as the caller wrote it.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<&'a str>,
        /// The port that was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// The gateway's end.
        local: SocketAddr,
        /// The other end: the very address that was dialled, or that came.
        #[serde(skip_serializing_if = "Option::is_none")]
        remote: Option<SocketAddr>,
    },
    /// A dial came to nothing.
    ConnectFailed {
        /// The session that was to be.
        session: &'a str,
        /// The host that was asked for.
        host: &'a str,
        /// The port that was asked for.
        port: u16,
        /// The error code.
        error: &'static str,
        /// The error in words.
        message: &'a str,
    },
    /// A session has ended.
    SessionClosed {
        /// Its id.
        session: &'a str,
        /// What it was.
        kind: &'static str,
        /// Why.
        reason: &'static str,
        /// Bytes read.
        bytes_received: u64,
        /// Bytes written.
        bytes_sent: u64,
        /// How long it lived.
        #[serde(serialize_with = "in_seconds")]
        seconds: Duration,
    },
    /// A listener is open.
    ListenerOpened {
        /// Its id.
        listener: &'a str,
        /// Who gets its events.
        subscriber: &'a str,
        /// Its address.
        local: SocketAddr,
    },
    /// A listener has ended.
    ListenerClosed {
        /// Its id.
        listener: &'a str,
        /// How many connections it accepted.
        accepted: u64,
    },
    /// A datagram was sent from a socket of its own.
    DatagramSent {
        /// The host that was asked for.
        host: &'a str,
        /// The address it went to.
        remote: SocketAddr,
        /// Its size.
        bytes: usize,
    },
    /// The policy said no.
    Denied {
        /// To what: dial, bind or join.
        action: &'static str,
        /// What was wanted, in words.
        what: &'a str,
        /// The address that was judged, where it came that far.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<SocketAddr>,
        /// The rule that decided.
        rule: String,
    },
    /// A data claim was moved without a send.
    ClaimMoved {
        /// The session.
        session: &'a str,
        /// Who had it.
        from: &'a str,
        /// Who has it.
        to: &'a str,
    },
    /// A session was told to end.
    DisconnectRequested {
        /// The session.
        session: &'a str,
        /// At once.
        abort: bool,
    },
    /// Somebody looks at what a session moves.
    TapStarted {
        /// The session.
        session: &'a str,
        /// Whose it is.
        owner: &'a str,
    },
    /// Nobody looks any more.
    TapEnded {
        /// The session.
        session: &'a str,
        /// Records that were shown.
        records: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A call had no credential that counts.
    AuthenticationFailed {
        /// The method.
        method: &'a str,
        /// Where the call came from.
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<SocketAddr>,
        /// Failures of its address since the last record of one.
        #[serde(skip_serializing_if = "is_zero")]
        unrecorded: u64,
    },
    /// So many records are missing before this one.
    RecordsLost {
        /// How many.
        records: u64,
    },
}

#[derive(Serialize)]
struct Record<'a> {
    time: String,
    /// Of each gateway process its own, from 1; a gap is a record that was lost.
    sequence: u64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    who: Option<WhoFields<'a>>,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

#[derive(Serialize)]
struct WhoFields<'a> {
    identity: &'a str,
    namespace: &'a str,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<SocketAddr>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn in_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_micros() as f64 / 1e6)
}

/// A record as one line of ASCII, its end included.
pub(super) fn line(time: SystemTime, sequence: u64, who: Option<Who<'_>>, event: &Event<'_>) -> Vec<u8> {
    let record = Record {
        time: DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Micros, true),
        sequence,
        who: who.map(|Who { caller, peer }| WhoFields {
            identity: &caller.identity,
            namespace: &caller.namespace,
            role: caller.role.as_str(),
            peer,
        }),
        event,
    };
    let mut line = Vec::with_capacity(256);
    record
        .serialize(&mut Serializer::with_formatter(&mut line, Ascii))
        .expect("a record is made of plain values, and memory takes it");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Caller;

    const HOSTILE: [&str; 8] = [
        "a\nb",
        "\"},{\"event\":\"forged\"}",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "x\u{2028}y\u{2029}z\u{85}",
        "\r\n{\"event\":\"forged\"}",
        "\u{202e}drowssap",
        "\u{7f}\u{0}\u{9b}31m",
        "\\\" \u{1F600}",
    ];

    #[test]
    fn hostile_names_stay_inside_their_strings_and_come_back_unchanged() {
        for name in HOSTILE {
            let caller = Caller { identity: name.into(), ..Caller::clone(&Caller::local()) };
            let who = Some(Who { caller: &caller, peer: None });
            let event = Event::ConnectFailed { session: name, host: name, port: 1, error: "E", message: name };
            let line = line(SystemTime::UNIX_EPOCH, 7, who, &event);
            let (end, text) = line.split_last().expect("not empty");
            assert_eq!(*end, b'\n');
            assert!(text.iter().all(|byte| (b' '..b'\x7f').contains(byte)), "{:?}", String::from_utf8_lossy(text));
            let read: serde_json::Value = serde_json::from_slice(text).expect("JSON");
            for field in ["identity", "session", "host", "message"] {
                assert_eq!(read[field], name, "{field}");
            }
            assert_eq!((&read["event"], &read["sequence"]), (&"connect_failed".into(), &7.into()));
            assert_eq!(read["time"], "1970-01-01T00:00:00.000000Z");
        }
    }
}
