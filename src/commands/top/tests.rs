//! What `top` draws, on a terminal of the test's own.

use ratatui::{Terminal, backend::TestBackend, crossterm::event::KeyCode};
use socket_gateway_client::proto::{SessionKind, SessionState};

use super::*;

fn row(id: &str, state: SessionState, received: f64, queued: u64) -> Row {
    let session = Session {
        session_id: id.into(),
        kind: SessionKind::TcpOutbound.into(),
        state: state.into(),
        remote_host: "192.0.2.7".into(),
        remote_port: 23,
        data_subscriber: "shop".into(),
        queued_send_bytes: queued,
        ..Default::default()
    };
    Row { session, received, sent: 0.0 }
}

fn screen(rows: Vec<Row>) -> Screen {
    Screen { rows, sort: Sort::Rate, descending: false, first: 0, problem: None }
}

fn drawn(screen: &mut Screen, width: u16) -> Vec<String> {
    screen.order();
    let mut terminal = Terminal::new(TestBackend::new(width, 10)).expect("a terminal");
    terminal.draw(|frame| table::draw(screen, frame)).expect("draws");
    let buffer = terminal.backend().buffer().clone();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>().trim_end().to_owned();
    (0..10).map(line).collect()
}

fn press(screen: &mut Screen, code: KeyCode) -> bool {
    screen.obey(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

#[test]
fn all_columns_fit_into_eighty_characters() {
    let mut screen = screen(vec![row("sess-1", SessionState::Connected, 2048.0, 1_500_000)]);
    let lines = drawn(&mut screen, 80);
    assert_eq!(lines[0], "1 sessions, 0 paused, 2.0K/s in, 0/s out");
    for title in ["SESSION", "STATE", "PEER", "DATA TO", "IN/s", "OUT/s", "QUEUED"] {
        assert!(lines[1].contains(title), "no {title} in {:?}", lines[1]);
    }
    for cell in ["sess-1", "connected", "> 192.0.2.7:23", "shop", "2.0K", "1.4M"] {
        assert!(lines[2].contains(cell), "no {cell} in {:?}", lines[2]);
    }
}

#[test]
fn the_busiest_come_first_and_a_key_sorts_otherwise() {
    let rows = vec![
        row("a", SessionState::Connected, 1.0, 0),
        row("b", SessionState::Connected, 9.0, 0),
        row("c", SessionState::Connected, 0.0, 5),
    ];
    let mut screen = screen(rows);
    let first = |screen: &mut Screen| drawn(screen, 80)[2].chars().next();
    assert_eq!(first(&mut screen), Some('b'));
    press(&mut screen, KeyCode::Char('s'));
    assert_eq!(first(&mut screen), Some('c'), "by backlog");
    press(&mut screen, KeyCode::Char('r'));
    assert_eq!(first(&mut screen), Some('b'), "reversed, and of equal ones the last id");
    assert!(press(&mut screen, KeyCode::Char('q')));
}

#[test]
fn what_went_wrong_is_shown_and_the_last_table_stays() {
    let mut screen = screen(vec![row("a", SessionState::Connected, 1.0, 0)]);
    screen.problem = Some("the gateway cannot be reached".into());
    let lines = drawn(&mut screen, 80);
    assert!(lines[2].starts_with('a'));
    assert_eq!(lines[9], "the gateway cannot be reached");
}

#[test]
fn scrolling_stops_at_both_ends() {
    let mut screen = screen((0..3).map(|at| row(&format!("s{at}"), SessionState::Connected, 0.0, 0)).collect());
    press(&mut screen, KeyCode::Up);
    assert_eq!(screen.first, 0);
    for _ in 0..9 {
        press(&mut screen, KeyCode::Down);
    }
    assert_eq!(drawn(&mut screen, 80)[2].split_whitespace().next(), Some("s2"));
}
