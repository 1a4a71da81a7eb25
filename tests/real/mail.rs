//! An SMTP dialogue with exim, by exchanges, up to the mail in its queue.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use crate::support::{
    TestGateway,
    grpcurl::list,
    programs::{RealServer, accepts, command, id},
};

fn exim(folder: &Path, port: u16) -> Command {
    let (user, group) = (id("-un"), id("-gn"));
    let folder = folder.display();
    let settings = format!(
        "spool_directory = {folder}/spool
log_file_path = {folder}/spool/log/%slog
pid_file_path = {folder}/pid
primary_hostname = mail.test
keep_environment =
host_lookup =
tls_advertise_hosts =
notifier_socket =
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
queue_only
acl_smtp_rcpt = accept
exim_user = {user}
exim_group = {group}
admin_groups = {group}
"
    );
    let file = format!("{folder}/conf");
    fs::write(&file, settings).expect("a file in a folder of ours");
    let mut exim = command("exim4");
    exim.args(["-C", &file, "-bdf"]);
    exim
}

#[test]
fn a_mail_is_queued_by_a_dialogue_of_exchanges() {
    let exim = RealServer::start(exim, accepts);
    let gateway = TestGateway::start();
    let grpcurl = gateway.grpcurl();

    // exim refuses clients that talk before its greeting. The greeting may come before anybody can ask for it, so it is awaited on
    // the data output.
    let mut envelopes = grpcurl.subscribe(&json!({ "subscriber": "postman" }));
    grpcurl.call(
        "TcpConnect",
        &json!({
            "host": "127.0.0.1", "port": exim.port, "session_id": "mail", "subscriber": "postman",
            "mode": "TCP_MODE_LINE", "wait_for": "^220 (?<host>\\S+)",
        }),
    );
    let greeting = envelopes.data()["match"].take();
    assert_eq!(greeting["captures"][0]["value"]["text"], "mail.test", "{greeting}");

    let hello = grpcurl.exchange("mail", "EHLO gateway.test", "^250 ");
    assert_eq!(hello["end"], "EXCHANGE_END_MATCH");
    let offers: Vec<_> = list(&hello["frames"]).iter().map(|line| line["text"].clone()).collect();
    assert!(offers[0].as_str().is_some_and(|line| line.starts_with("250-mail.test Hello")), "{offers:?}");
    assert!(offers.contains(&json!("250-8BITMIME")), "{offers:?}");

    let says = |line: &str, wait_for: &str| {
        let answer = grpcurl.exchange("mail", line, wait_for);
        answer["match"]["text"].as_str().unwrap_or_else(|| panic!("{line}: {answer}")).to_owned()
    };
    assert_eq!(says("MAIL FROM:<gateway@gateway.test>", "^[245]\\d\\d "), "250 OK");
    assert_eq!(says("RCPT TO:<reader@mail.test>", "^[245]\\d\\d "), "250 Accepted");
    assert!(says("DATA", "^[345]\\d\\d ").starts_with("354 "));
    let queued = grpcurl.exchange("mail", "Subject: hello\r\n\r\nThrough a gateway.\r\n.", "^250 OK id=(\\S+)$");
    let mail = queued["captures"][0]["value"]["text"].as_str().expect("a mail's id").to_owned();
    assert!(says("QUIT", "^221 ").contains("closing connection"));
    envelopes.until("DISCONNECTED");

    let body =
        fs::read_to_string(exim.folder().join(format!("spool/input/{mail}-D"))).expect("the mail is in the queue");
    assert!(body.ends_with("\nThrough a gateway.\n"), "{body}");
}
