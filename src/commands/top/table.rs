//! The table of `top`, within whatever width there is.

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Cell, Row as TableRow, Table},
};

use super::{Row, Screen, Sort};
use crate::commands::{
    output::printable,
    view::{bytes, peer, state, table},
};

/// Titles, their narrowest width, and their share of what is left over. Together they fit into 80 columns.
const COLUMNS: [(&str, u16, u16); 7] = [
    ("SESSION", 14, 3),
    ("STATE", 11, 0),
    ("PEER", 18, 3),
    ("DATA TO", 10, 2),
    ("IN/s", 6, 0),
    ("OUT/s", 6, 0),
    ("QUEUED", 6, 0),
];

fn cells(row: &Row) -> [String; 7] {
    let rate = |rate: f64| bytes(rate.round() as u64);
    [
        printable(&row.session.session_id),
        state(&row.session),
        peer(&row.session),
        printable(&row.session.data_subscriber),
        rate(row.received),
        rate(row.sent),
        bytes(row.session.queued_send_bytes),
    ]
}

/// As text, where nobody watches.
pub(super) fn plain(screen: &Screen) -> String {
    table(COLUMNS.map(|(title, ..)| title), screen.rows.iter().map(cells))
}

/// On the screen.
pub(super) fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    let (received, sent) =
        screen.rows.iter().fold((0.0, 0.0), |(received, sent), row| (received + row.received, sent + row.sent));
    let paused = screen.rows.iter().filter(|row| row.session.read_paused).count();
    let summary = format!(
        "{} sessions, {paused} paused, {}/s in, {}/s out",
        screen.rows.len(),
        bytes(received.round() as u64),
        bytes(sent.round() as u64)
    );
    frame.render_widget(Line::styled(summary, Style::new().add_modifier(Modifier::BOLD)), head);

    let rows = screen
        .rows
        .iter()
        .skip(screen.first)
        .take(usize::from(body.height))
        .map(|row| TableRow::new(cells(row).map(Cell::from)).style(Style::new().fg(colour(row))));
    let sorted = sorted_column(screen.sort);
    let titles = COLUMNS.iter().enumerate().map(|(at, (title, ..))| {
        let style = Style::new().add_modifier(Modifier::REVERSED);
        Cell::from(*title).style(if at == sorted {
            style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        } else {
            style
        })
    });
    let widths = widths(body.width);
    frame.render_widget(Table::new(rows, widths).header(TableRow::new(titles)).column_spacing(1), body);

    let foot_line = match &screen.problem {
        Some(problem) => Line::styled(printable(problem), Style::new().fg(Color::Red)),
        None => Line::from("q quit   s sort by the next column   r reverse   up and down scroll"),
    };
    frame.render_widget(foot_line, foot);
}

fn colour(row: &Row) -> Color {
    match state(&row.session).as_str() {
        "paused" => Color::Yellow,
        "connecting" | "closing" | "half closed" => Color::Cyan,
        _ if row.session.queued_send_bytes > 0 => Color::Magenta,
        _ if row.received + row.sent >= 1.0 => Color::Green,
        _ => Color::Reset,
    }
}

fn sorted_column(sort: Sort) -> usize {
    match sort {
        Sort::Id => 0,
        Sort::State => 1,
        Sort::Peer => 2,
        Sort::Subscriber => 3,
        Sort::Rate => 4,
        Sort::Backlog => 6,
    }
}

/// What is left over goes to those who asked for a share.
pub(super) fn widths(width: u16) -> [Constraint; 7] {
    let narrowest: u16 = COLUMNS.iter().map(|(_, width, _)| width).sum::<u16>() + COLUMNS.len() as u16 - 1;
    let shares: u16 = COLUMNS.iter().map(|(.., share)| share).sum();
    let over = width.saturating_sub(narrowest);
    COLUMNS.map(|(_, width, share)| Constraint::Length(width + over * share / shares))
}
