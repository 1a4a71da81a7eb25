//! What somebody who has only the address finds out: services, messages, health, and errors in words.

use serde_json::json;

use crate::support::TestGateway;

#[test]
fn reflection_of_both_versions_lists_the_services() {
    let gateway = TestGateway::start();
    let listed = gateway.grpcurl().prints(&[], &["list"]);
    for service in [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "tcpip.v1.SessionService",
        "tcpip.v1.SocketGatewayService",
    ] {
        assert!(listed.lines().any(|line| line == service), "{service} is not in\n{listed}");
    }
    for version in ["v1", "v1alpha"] {
        let method = format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let answer = gateway.grpcurl().prints(&["-d", r#"{ "list_services": "*" }"#], &[&method]);
        assert!(answer.contains("tcpip.v1.SocketGatewayService"), "{version}: {answer}");
        assert!(answer.contains("tcpip.v1.SessionService"), "{version}: {answer}");
    }
}

#[test]
fn describe_shows_methods_messages_and_their_documentation() {
    let gateway = TestGateway::start();
    let grpcurl = gateway.grpcurl();
    let methods = grpcurl.prints(&[], &["describe", "tcpip.v1.SocketGatewayService"]);
    assert!(
        methods.contains("rpc TcpConnect ( .tcpip.v1.TcpConnectRequest ) returns ( .tcpip.v1.TcpConnectResponse );"),
        "{methods}"
    );
    assert!(methods.contains("rpc Subscribe ( .tcpip.v1.SubscribeRequest ) returns ( stream "), "{methods}");
    let message = grpcurl.prints(&[], &["describe", "tcpip.v1.TcpConnectRequest"]);
    assert!(message.contains("string host = 1;"), "{message}");
    // The comments of the proto travel with it.
    assert!(message.contains("// 1 to 65535. Required."), "{message}");
    let template = grpcurl.prints(&["-msg-template"], &["describe", "tcpip.v1.SubscribeRequest"]);
    assert!(template.contains("\"payloadFormat\": \"PAYLOAD_FORMAT_UNSPECIFIED\""), "{template}");
}

#[test]
fn the_health_service_says_serving_for_the_whole_and_for_each_service() {
    let gateway = TestGateway::start();
    for service in ["", "tcpip.v1.SocketGatewayService", "tcpip.v1.SessionService"] {
        let answer = gateway.grpcurl().call("grpc.health.v1.Health/Check", &json!({ "service": service }));
        assert_eq!(answer["status"], "SERVING", "{service}");
    }
}

#[test]
fn a_bad_request_is_told_field_by_field_in_words() {
    let gateway = TestGateway::start();
    let status = gateway.grpcurl().refused("TcpConnect", &json!({ "host": "", "port": 70_000 }));
    assert_eq!(status["code"], 3, "INVALID_ARGUMENT: {status}");
    let (info, request) = (&status["details"][0], &status["details"][1]);
    assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo", "{status}");
    assert_eq!((&info["reason"], &info["domain"]), (&json!("CONNECT_INVALID"), &json!("socket-gateway")));
    assert_eq!(request["@type"], "type.googleapis.com/google.rpc.BadRequest", "{status}");
    let fields: Vec<_> =
        request["fieldViolations"].as_array().expect("violations").iter().map(|v| &v["field"]).collect();
    assert_eq!(fields, ["host", "port"]);
}

#[test]
fn an_error_at_a_terminal_names_the_peer_and_the_errno() {
    let gateway = TestGateway::start();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let request = json!({ "host": "127.0.0.1", "port": nobody.port() }).to_string();
    let output = gateway.grpcurl().run(&["-d", &request], &["tcpip.v1.SocketGatewayService/TcpConnect"]);
    let shown = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!output.status.success());
    for expected in ["Code: FailedPrecondition", "google.rpc.ErrorInfo", "CONNECT_FAILED", "ECONNREFUSED"] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
}
