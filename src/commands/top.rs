//! `top`: the sessions in a table that is always up to date.
//!
//! It asks for the list once an interval, works out rates from one list to the next, and draws what fits. Where standard output is no
//! terminal it prints one table and ends.

mod table;

use std::{
    collections::HashMap,
    io::{self, IsTerminal},
    time::Duration,
};

use clap::{Args, ValueEnum};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use socket_gateway_client::{Sessions, proto::Session};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{end::End, output, sessions::sessions, target::Target};

/// Keys that wait to be taken.
const KEYS: usize = 16;

#[derive(Args)]
pub(crate) struct Top {
    /// Time from one look to the next
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "1s")]
    every: Duration,
    /// What the rows are sorted by
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t)]
    sort: Sort,
    /// Only sessions whose data or lifecycle this subscriber holds
    #[arg(long, value_name = "NAME", default_value = "")]
    subscriber: String,
    /// Print one table and end, as it does where the output is no terminal
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    target: Target,
}

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// The sum of both rates, the highest first
    #[default]
    Rate,
    /// Bytes that wait to be sent, the most first
    Backlog,
    /// The state
    State,
    /// The peer
    Peer,
    /// The subscriber that gets the data
    Subscriber,
    /// The id
    Id,
}

impl Sort {
    const ALL: [Self; 6] = [Self::Rate, Self::Backlog, Self::State, Self::Peer, Self::Subscriber, Self::Id];

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// A session and what went through it since the last look.
pub(crate) struct Row {
    session: Session,
    /// Bytes in a second.
    received: f64,
    sent: f64,
}

/// What is on the screen.
pub(crate) struct Screen {
    rows: Vec<Row>,
    sort: Sort,
    descending: bool,
    /// The first row shown.
    first: usize,
    /// What went wrong with the last look.
    problem: Option<String>,
}

impl Top {
    pub(crate) async fn run(self) -> Result<(), End> {
        let (_, mut client) = self.target.calls()?;
        let mut looks = Looks::default();
        let mut screen = Screen { rows: Vec::new(), sort: self.sort, descending: false, first: 0, problem: None };
        screen.rows = looks.look(&mut client, &self.subscriber).await?;
        if self.once || !io::stdout().is_terminal() {
            screen.order();
            return output::write(table::plain(&screen).as_bytes());
        }
        let mut terminal =
            ratatui::try_init().map_err(|error| End::failed(format!("cannot use the terminal: {error}")))?;
        let ended = self.watch(&mut terminal, &mut client, &mut looks, &mut screen).await;
        ratatui::restore();
        ended
    }

    async fn watch(
        &self,
        terminal: &mut ratatui::DefaultTerminal,
        client: &mut Sessions,
        looks: &mut Looks,
        screen: &mut Screen,
    ) -> Result<(), End> {
        let mut keys = keys();
        let mut ticks = interval(self.every.max(Duration::from_millis(100)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            screen.order();
            terminal.draw(|frame| table::draw(screen, frame)).map_err(|error| End::of_output(&error))?;
            tokio::select! {
                event = keys.recv() => match event {
                    Some(event) if screen.obey(&event) => return Ok(()),
                    Some(_) => {}
                    None => return Ok(()),
                },
                _ = ticks.tick() => match looks.look(client, &self.subscriber).await {
                    Ok(rows) => (screen.rows, screen.problem) = (rows, None),
                    Err(end) => screen.problem = Some(end.said().to_owned()),
                },
            }
        }
    }
}

/// What the terminal says, from a thread of its own: reading it blocks.
fn keys() -> mpsc::Receiver<Event> {
    let (tell, keys) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        while let Ok(event) = ratatui::crossterm::event::read() {
            if tell.blocking_send(event).is_err() {
                return;
            }
        }
    });
    keys
}

/// The last look, to work out rates.
#[derive(Default)]
struct Looks {
    last: HashMap<String, (u64, u64)>,
    at: Option<Instant>,
}

impl Looks {
    async fn look(&mut self, client: &mut Sessions, subscriber: &str) -> Result<Vec<Row>, End> {
        let sessions = sessions(client, subscriber).await?;
        let now = Instant::now();
        let seconds = self.at.map(|at| now.duration_since(at).as_secs_f64()).filter(|seconds| *seconds > 0.0);
        let counts = |session: &Session| (session.bytes_received, session.bytes_sent);
        let key = |session: &Session| format!("{}/{}", session.namespace, session.session_id);
        let rate = |now: u64, before: u64| seconds.map_or(0.0, |seconds| now.saturating_sub(before) as f64 / seconds);
        let rows = sessions.into_iter().map(|session| {
            let (received, sent) = counts(&session);
            // One that is new has done all of it since.
            let (received_before, sent_before) = self.last.get(&key(&session)).copied().unwrap_or((0, 0));
            Row { received: rate(received, received_before), sent: rate(sent, sent_before), session }
        });
        let rows: Vec<Row> = rows.collect();
        self.last = rows.iter().map(|row| (key(&row.session), counts(&row.session))).collect();
        self.at = Some(now);
        Ok(rows)
    }
}

impl Screen {
    /// Whether it is over.
    fn obey(&mut self, event: &Event) -> bool {
        let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) = event
        else {
            return false;
        };
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.descending = !self.descending,
            KeyCode::Down | KeyCode::Char('j') => self.first = (self.first + 1).min(self.rows.len().saturating_sub(1)),
            KeyCode::Up | KeyCode::Char('k') => self.first = self.first.saturating_sub(1),
            KeyCode::PageDown => self.first = (self.first + 10).min(self.rows.len().saturating_sub(1)),
            KeyCode::PageUp => self.first = self.first.saturating_sub(10),
            KeyCode::Home => self.first = 0,
            _ => {}
        }
        false
    }

    fn order(&mut self) {
        let Self { rows, sort, descending, first, .. } = self;
        rows.sort_by(|a, b| {
            let by = match sort {
                Sort::Rate => (b.received + b.sent).total_cmp(&(a.received + a.sent)),
                Sort::Backlog => b.session.queued_send_bytes.cmp(&a.session.queued_send_bytes),
                Sort::State => a.session.state.cmp(&b.session.state),
                Sort::Peer => (&a.session.remote_host, a.session.remote_port)
                    .cmp(&(&b.session.remote_host, b.session.remote_port)),
                Sort::Subscriber => a.session.data_subscriber.cmp(&b.session.data_subscriber),
                Sort::Id => std::cmp::Ordering::Equal,
            };
            let by = by.then_with(|| a.session.session_id.cmp(&b.session.session_id));
            if *descending { by.reverse() } else { by }
        });
        *first = (*first).min(rows.len().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
