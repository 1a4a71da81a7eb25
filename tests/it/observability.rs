use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use regex::Regex;
use serde_json::Value;

use crate::support::{
    TestGateway,
    admin::samples,
    calls::{connected, exchange},
    connect_lines,
    peers::Peer,
    send,
};

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn promtool(arguments: &[&str]) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/observability");
    let output = Command::new("promtool").args(arguments).current_dir(folder).output();
    let output = output.expect("promtool is there: scripts/install-test-tools");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

/// The page of a gateway that has done some of everything, so that no metric is without series.
async fn page() -> String {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let peer = Peer::echo().await;
    let session = connected(&mut sockets, connect_lines(peer.addr)).await;
    sockets.tcp_exchange(exchange(&session, "ping\n", "ping")).await.expect("answers");
    sockets.tcp_send(send("nobody", "x")).await.expect_err("is not there");
    admin.get("/metrics").await.body
}

/// The names of a page's series, as a query writes them.
fn series(page: &str) -> BTreeSet<String> {
    samples(page).keys().map(|series| series.split('{').next().unwrap_or_default().to_owned()).collect()
}

/// The metrics that a query names.
fn named(query: &str) -> BTreeSet<String> {
    let names = Regex::new(r"\b(?:socket_gateway|process)_[a-z0-9_]+").expect("a pattern");
    names.find_iter(query).map(|name| name.as_str().to_owned()).collect()
}

/// Every text of a JSON value under one of these keys.
fn texts<'v>(value: &'v Value, keys: &[&str], found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.extend(value.as_str().filter(|_| keys.contains(&key.as_str())));
                texts(value, keys, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, keys, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_metric_that_the_dashboard_and_the_rules_name_is_exposed() {
    let exposed = series(&page().await);
    let dashboard: Value = serde_json::from_str(&file("examples/observability/dashboard.json")).expect("JSON");
    let mut queries = Vec::new();
    texts(&dashboard, &["expr", "query"], &mut queries);
    let alerts = file("examples/observability/alerts.yml");
    let mut wanted = named(&alerts);
    wanted.extend(queries.iter().flat_map(|query| named(query)));
    // One for almost every metric: a pattern that found nothing would find nothing missing.
    assert!(wanted.len() > 40, "{wanted:?}");
    let missing: Vec<_> = wanted.difference(&exposed).collect();
    assert!(missing.is_empty(), "not exposed: {missing:?}");
}

#[test]
fn promtool_takes_the_rules_and_the_configuration_and_every_rule_fires_and_stays_quiet_in_its_tests() {
    assert!(promtool(&["check", "config", "prometheus.yml"]).contains("SUCCESS"));
    let checked = promtool(&["check", "rules", "alerts.yml"]);
    assert!(promtool(&["test", "rules", "alerts.test.yml"]).contains("SUCCESS"));
    let name = Regex::new(r"alert: (\w+)").expect("a pattern");
    let (alerts, tests) = (file("examples/observability/alerts.yml"), file("examples/observability/alerts.test.yml"));
    let names: Vec<_> = name.captures_iter(&alerts).map(|found| found[1].to_owned()).collect();
    assert!(checked.contains(&format!("{} rules found", names.len())), "{checked}");
    let page = file("docs/observability.md");
    for name in names {
        for what in ["fires", "stays quiet"] {
            assert!(tests.contains(&format!("name: {name} {what}\n")), "no test that {name} {what}");
        }
        let anchor = name.to_lowercase();
        assert!(alerts.contains(&format!("runbook_url: docs/observability.md#{anchor}\n")), "{name} has no runbook");
        assert!(page.contains(&format!("\n### {name}\n")), "docs/observability.md does not tell what to do at {name}");
    }
}

#[test]
fn the_dashboards_panels_are_whole_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&file("examples/observability/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeMap::new());
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        let place = |side: &str| panel["gridPos"][side].as_u64().expect("a place");
        assert!(place("x") + place("w") <= 24, "{title}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert_eq!(cells.insert((x, y), title), None, "{title} covers another panel");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let query = target["expr"].as_str().expect("a query");
            assert!(query.contains("instance=~\"$instance\""), "{title} does not follow the choice of instance");
            let plain = query.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*");
            let rule = format!("groups: [{{name: x, rules: [{{record: x, expr: {}}}]}}]", serde_json::json!(plain));
            let file = tempfile::NamedTempFile::new().expect("a scratch file");
            fs::write(file.path(), rule).expect("a scratch file");
            promtool(&["check", "rules", file.path().to_str().expect("a plain path")]);
        }
    }
}

#[tokio::test]
async fn the_documentation_has_every_metric_with_its_meaning_and_no_other() {
    let page = page().await;
    let documentation = file("docs/observability.md");
    let help = Regex::new(r"(?m)^# HELP (\S+) (.*)$").expect("a pattern");
    let mut exposed = BTreeSet::new();
    for found in help.captures_iter(&page) {
        let (name, meaning) = (&found[1], &found[2]);
        exposed.insert(name.to_owned());
        let row = documentation.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/observability.md lacks {name}"));
        assert!(row.ends_with(&format!("| {meaning} |")), "{name} is documented otherwise than it is exposed");
    }
    let row = Regex::new(r"(?m)^\| `((?:socket_gateway|process)_\w+)` \|").expect("a pattern");
    let documented: BTreeSet<_> = row.captures_iter(&documentation).map(|found| found[1].to_owned()).collect();
    assert_eq!(documented, exposed);
}
