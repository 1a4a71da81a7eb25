//! Names whose zone changes its mind: what was judged is what is dialled, and nothing is asked twice.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};

use socket_gateway::policy::{Action, Policy, Profile};
use tokio::{net::UdpSocket, task::JoinHandle};

use super::{
    denied_by, dial, dial_rule,
    host::{Everywhere, alone},
    host_rule, profile, send_to, under,
};
use crate::support::{eventually, reason};

const A: u16 = 1;
const AAAA: u16 = 28;

/// A name server whose answers depend on how often it was asked.
struct Zone {
    asked: Arc<Mutex<Vec<(String, u16)>>>,
    task: JoinHandle<()>,
}

impl Zone {
    /// `answer` gets the name, the type and how often that was asked before.
    async fn serve(answer: impl Fn(&str, u16, usize) -> Vec<IpAddr> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").await.expect("a host of one's own");
        let asked: Arc<Mutex<Vec<(String, u16)>>> = Arc::default();
        let task = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                let mut query = [0; 512];
                while let Ok((size, from)) = socket.recv_from(&mut query).await {
                    let Some((name, kind, end)) = question(&query[..size]) else { continue };
                    let before = {
                        let mut asked = asked.lock().expect("no panic");
                        asked.push((name.clone(), kind));
                        asked.iter().filter(|one| **one == (name.clone(), kind)).count() - 1
                    };
                    let reply = reply(&query[..end], &answer(&name, kind, before));
                    socket.send_to(&reply, from).await.expect("answers");
                }
            }
        });
        Self { asked, task }
    }

    fn asked(&self, name: &str, kind: u16) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|(one, of)| one == name && *of == kind).count()
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The name and type of a query's question, and where it ends (RFC 1035, section 4.1).
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

fn reply(question: &[u8], addresses: &[IpAddr]) -> Vec<u8> {
    let mut out = question[..2].to_vec();
    // A response with recursion; one question, this many answers.
    out.extend([0x81, 0x80, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    out.extend(&question[12..]);
    for address in addresses {
        let (kind, data) = match address {
            IpAddr::V4(v4) => (A, v4.octets().to_vec()),
            IpAddr::V6(v6) => (AAAA, v6.octets().to_vec()),
        };
        // The question's name, the class IN, no time to live.
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4));
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn a_name_that_flips_between_queries_is_dialled_where_it_was_judged() {
    const DIALS: usize = 40;
    alone(|| async {
        // The first answer is public, the next is not, and so on: whoever judges one and dials the next is caught.
        let zone = Zone::serve(|_, kind, before| match kind {
            A if before % 2 == 0 => vec![PUBLIC],
            A => vec![LOOPBACK],
            _ => Vec::new(),
        })
        .await;
        let everywhere = Everywhere::listen().await;
        let gateway = under(profile(Profile::Internet)).await;
        let mut sockets = gateway.sockets().await;
        for round in 0..DIALS {
            let result = dial(&mut sockets, "flip.test", everywhere.port).await;
            if round % 2 == 0 {
                result.expect("it leads to a public address");
            } else {
                let status = result.expect_err("it leads to this host");
                assert!(!format!("{status:?}").contains("127.0.0.1"), "where it leads is not told: {status:?}");
                assert_eq!(denied_by(Err::<(), _>(status)), "profile.internet.loopback");
            }
        }
        assert_eq!(zone.asked("flip.test", A), DIALS, "each dial asks once");
        for round in 0..DIALS {
            let sent = send_to(&mut sockets, "flop.test", everywhere.port).await;
            assert_eq!(sent.is_ok(), round % 2 == 0, "{sent:?}");
        }
        assert_eq!(zone.asked("flop.test", A), DIALS, "each datagram asks once");
        eventually("all that may arrive do", || async { everywhere.arrived().len() == DIALS }).await;
        let arrived = everywhere.arrived();
        let tcp: Vec<_> = arrived.iter().filter(|(how, _)| *how == "tcp").collect();
        assert!(tcp.len() == DIALS / 2 && tcp.iter().all(|(_, at)| *at == PUBLIC), "{arrived:?}");
    });
}

#[test]
fn many_dials_at_once_of_a_name_that_flips_reach_only_what_they_may() {
    alone(|| async {
        let _zone = Zone::serve(|_, kind, before| match kind {
            A => vec![[PUBLIC, LOOPBACK, IpAddr::from([10, 0, 0, 1]), IpAddr::from([169, 254, 169, 254])][before % 4]],
            _ if before % 3 == 0 => vec!["::ffff:127.0.0.1".parse().expect("an address")],
            _ => Vec::new(),
        })
        .await;
        let everywhere = Everywhere::listen().await;
        let gateway = under(profile(Profile::Internet)).await;
        let sockets = gateway.sockets().await;
        let dials: Vec<_> = (0..200)
            .map(|_| {
                let (mut sockets, port) = (sockets.clone(), everywhere.port);
                tokio::spawn(async move { dial(&mut sockets, "flip.test", port).await })
            })
            .collect();
        let mut reached = 0;
        for dial in dials {
            match dial.await.expect("no panic") {
                Ok(()) => reached += 1,
                Err(status) => assert_eq!(reason(&status).0, "POLICY_DENIED", "{status:?}"),
            }
        }
        assert!(reached > 0, "a quarter of the answers is public");
        eventually("they arrive", || async { everywhere.arrived().len() == reached }).await;
        assert!(everywhere.arrived().iter().all(|(_, at)| *at == PUBLIC), "{:?}", everywhere.arrived());
    });
}

#[test]
fn addresses_of_a_name_are_judged_in_every_form_and_rules_about_names_do_not_open_them() {
    alone(|| async {
        let zone = Zone::serve(|name, kind, _| {
            let v6 = |text: &str| vec![text.parse::<IpAddr>().expect("an address")];
            match (name.split('.').next(), kind) {
                (Some("private"), A) => vec![IpAddr::from([10, 0, 0, 1])],
                (Some("mixed"), A) => vec![LOOPBACK, PUBLIC, IpAddr::from([192, 168, 0, 1])],
                (Some("mapped"), AAAA) => v6("::ffff:10.0.0.1"),
                (Some("nat64"), AAAA) => v6("64:ff9b::10.0.0.1"),
                (Some("sixtofour"), AAAA) => v6("2002:a00:1::1"),
                (Some("unspecified"), A) => vec![IpAddr::from([0, 0, 0, 0])],
                (Some("metadata"), A) => vec![IpAddr::from([169, 254, 169, 254])],
                _ => Vec::new(),
            }
        })
        .await;
        let everywhere = Everywhere::listen().await;
        let rules = vec![
            host_rule("theirs", Action::Allow, &["*.example.test"]),
            dial_rule("not-there", Action::Deny, &["1.2.3.0/24"]),
            socket_gateway::policy::DialRule {
                cidrs: vec![socket_gateway::policy::parse_cidr("10.0.0.0/8").expect("a block")],
                ..host_rule("ours", Action::Allow, &["private.ours.test"])
            },
            host_rule("rest", Action::Deny, &["*.closed.test"]),
        ];
        let gateway = under(Policy::new(Profile::Internet, rules, Vec::new())).await;
        let mut sockets = gateway.sockets().await;
        let port = everywhere.port;
        for (name, rule) in [
            ("private.example.test", "profile.internet.private"),
            ("mapped.example.test", "profile.internet.private"),
            ("nat64.example.test", "profile.internet.private"),
            ("sixtofour.example.test", "profile.internet.transition"),
            ("unspecified.example.test", "profile.internet.unspecified"),
            ("metadata.example.test", "profile.internet.metadata"),
            // All of its addresses are denied, the one that the name may be at by a later rule; the first is told.
            ("mixed.example.test", "profile.internet.loopback"),
            ("private.theirs.test", "profile.internet.private"),
            ("anything.closed.test", "rest"),
        ] {
            assert_eq!(denied_by(dial(&mut sockets, name, port).await), rule, "{name}");
            assert_eq!(denied_by(send_to(&mut sockets, name, port).await), rule, "{name}");
        }
        assert_eq!(zone.asked("anything.closed.test", A), 0, "a name that may lead nowhere is not looked up");
        assert_eq!(everywhere.arrived(), []);
        dial(&mut sockets, "private.ours.test", port).await.expect("the name may lead there");
        assert_eq!(
            reason(&dial(&mut sockets, "nobody.test", port).await.expect_err("no such name")).0,
            "CONNECT_FAILED"
        );
        eventually("it arrives", || async { everywhere.arrived().len() == 1 }).await;
    });
}
