//! Sessions as rows of a table, for `sessions` and `top`.

use chrono::{DateTime, Local};
use socket_gateway_client::proto::{Session, SessionKind, SessionState};

/// What is shown of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Id,
    State,
    Peer,
    Subscriber,
    Received,
    Sent,
    Queued,
}

impl Column {
    /// In their order.
    pub(crate) const ALL: [Self; 7] =
        [Self::Id, Self::State, Self::Peer, Self::Subscriber, Self::Received, Self::Sent, Self::Queued];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Id => "SESSION",
            Self::State => "STATE",
            Self::Peer => "PEER",
            Self::Subscriber => "DATA TO",
            Self::Received => "IN",
            Self::Sent => "OUT",
            Self::Queued => "QUEUED",
        }
    }

    pub(crate) fn of(self, session: &Session) -> String {
        match self {
            Self::Id => session.session_id.clone(),
            Self::State => state(session),
            Self::Peer => peer(session),
            Self::Subscriber => session.data_subscriber.clone(),
            Self::Received => bytes(session.bytes_received),
            Self::Sent => bytes(session.bytes_sent),
            Self::Queued => bytes(session.queued_send_bytes),
        }
    }
}

/// The state in a word; a session that is not read because nobody takes its data says so.
pub(crate) fn state(session: &Session) -> String {
    let word = match session.state() {
        SessionState::Unspecified => "?",
        SessionState::Connecting => "connecting",
        SessionState::Connected if session.read_paused => "paused",
        SessionState::Connected => "connected",
        SessionState::HalfClosed => "half closed",
        SessionState::Disconnecting => "closing",
        SessionState::Listening => "bound",
    };
    word.to_owned()
}

/// Who is at the other end; of a UDP socket its own address.
pub(crate) fn peer(session: &Session) -> String {
    let address =
        |host: &str, port: u32| if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    match session.kind() {
        SessionKind::Udp => format!("udp {}", address(&session.local_host, session.local_port)),
        SessionKind::TcpInbound => format!("< {}", address(&session.remote_host, session.remote_port)),
        _ => format!("> {}", address(&session.remote_host, session.remote_port)),
    }
}

/// A number of bytes in at most six characters.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if count < 1000 {
        return count.to_string();
    }
    let mut value = count as f64;
    let mut unit = "";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 9.95 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
}

/// The local time of day.
pub(crate) fn time(timestamp: &prost_types::Timestamp) -> String {
    let nanos = u32::try_from(timestamp.nanos).unwrap_or(0);
    let time = DateTime::from_timestamp(timestamp.seconds, nanos).map(DateTime::<Local>::from);
    time.map(|time| time.format("%H:%M:%S%.3f").to_string()).unwrap_or_default()
}

/// A table in columns as wide as they need to be.
pub(crate) fn table<const N: usize>(titles: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(titles.map(str::to_owned))
        .chain(rows.map(|row| row.map(|cell| super::output::printable(&cell))))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_at_most_six_characters_and_never_wrongly_rounded_up() {
        for (count, shown) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0K"),
            (1536, "1.5K"),
            (10_240, "10K"),
            (1_048_576, "1.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(bytes(count), shown);
        }
        for shift in 0..64 {
            assert!(bytes((1_u64 << shift) - 1).len() <= 6);
        }
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = [["a".to_owned(), "long one".to_owned()], ["bcd".to_owned(), "x\x1b".to_owned()]];
        assert_eq!(table(["A", "B"], rows.into_iter()), "A    B\na    long one\nbcd  x\u{fffd}\n");
    }
}
