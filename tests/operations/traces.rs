//! Traces, by a real OTLP receiver: what is whose child, what is linked to what, and that a receiver that is gone harms nobody.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use socket_gateway::api::proto::{TcpConnectRequest, TcpDisconnectRequest, TcpSendRequest};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::process::{Running, Sockets, eventually, sockets};

const TRACE: [u8; 16] =
    [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];
const PARENT: [u8; 8] = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
/// The same two, as the example of W3C Trace Context writes them, without the flags.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

struct Receiver {
    address: SocketAddr,
    received: Received,
    serving: JoinHandle<()>,
}

struct Service(Received);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().expect("whole").push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let received = Received::default();
        let server =
            tonic::transport::Server::builder().add_service(TraceServiceServer::new(Service(received.clone())));
        let serving = tokio::spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("serves");
        });
        Self { address, received, serving }
    }

    fn setting(&self) -> String {
        format!("tracing.otlp_endpoint=http://{}", self.address)
    }

    fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().expect("whole");
        let resources = received.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans).cloned().collect()
    }

    fn find(&self, name: &str) -> Option<Span> {
        self.spans().into_iter().find(|span| span.name == name)
    }
}

fn attribute(span: &Span, key: &str) -> Option<Value> {
    span.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

fn text(span: &Span, key: &str) -> String {
    match attribute(span, key) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

fn number(span: &Span, key: &str) -> i64 {
    match attribute(span, key) {
        Some(Value::IntValue(number)) => number,
        other => panic!("{key}: {other:?}"),
    }
}

fn traced<T>(message: T, flags: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", format!("{TRACEPARENT}-{flags}").parse().expect("ASCII"));
    request
}

/// An echo server; it ends with the test's runtime.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                // The other side may end as it likes.
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// Opens a session as part of a caller's trace, uses it and ends it.
async fn session(sockets: &mut Sockets, peer: SocketAddr, flags: &str) {
    let connect = TcpConnectRequest {
        host: peer.ip().to_string(),
        port: peer.port().into(),
        session_id: "traced".into(),
        subscriber: "me".into(),
        ..Default::default()
    };
    sockets.tcp_connect(traced(connect, flags)).await.expect("connects");
    let item = socket_gateway::api::proto::payload_item::Item::Text("12345".into());
    let payload = vec![socket_gateway::api::proto::PayloadItem { item: Some(item) }];
    let send = TcpSendRequest { session_id: "traced".into(), payload, ..Default::default() };
    sockets.tcp_send(traced(send, flags)).await.expect("sends");
    let end = TcpDisconnectRequest { session_id: "traced".into(), ..Default::default() };
    sockets.tcp_disconnect(traced(end, flags)).await.expect("ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_part_of_its_callers_trace_and_the_session_it_opens_is_linked_to_it() {
    const CONNECT: &str = "tcpip.v1.SocketGatewayService/TcpConnect";
    let receiver = Receiver::start().await;
    // Nothing that begins here is sampled: what is, is because its caller says so.
    let settings = ["--set", &receiver.setting(), "--set", "tracing.sample_ratio=0"];
    let (mut gateway, address) = Running::start(&settings);
    let mut sockets = sockets(address).await;
    session(&mut sockets, echo().await, "01").await;
    let missing = TcpDisconnectRequest { session_id: "nobody".into(), ..Default::default() };
    sockets.tcp_disconnect(traced(missing, "01")).await.expect_err("is not there");
    // A call outside of any trace.
    let missing = TcpDisconnectRequest { session_id: "nobody".into(), ..Default::default() };
    sockets.tcp_disconnect(missing).await.expect_err("is not there");
    drop(sockets);
    // What is queued is sent at the end.
    gateway.signal("TERM");
    assert_eq!(gateway.ended().0, Some(0));

    let spans = receiver.spans();
    assert_eq!(spans.len(), 5, "{:#?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    let connect = receiver.find(CONNECT).expect("the call");
    assert_eq!((&connect.trace_id[..], &connect.parent_span_id[..]), (&TRACE[..], &PARENT[..]));
    assert_eq!(connect.kind(), SpanKind::Server);
    assert_eq!(number(&connect, "rpc.grpc.status_code"), 0);
    assert_eq!(text(&connect, "rpc.method"), "TcpConnect");
    let session = receiver.find("session").expect("the session");
    assert!(session.parent_span_id.is_empty(), "it outlives the call");
    assert_ne!(session.trace_id, TRACE);
    let links: Vec<_> = session.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
    assert_eq!(links, [(&connect.trace_id, &connect.span_id)]);
    assert_eq!((text(&session, "session"), text(&session, "subscriber")), ("traced".into(), "me".into()));
    assert_eq!((text(&session, "kind"), text(&session, "identity")), ("tcp_outbound".into(), "local".into()));
    assert_eq!((text(&session, "close_reason"), number(&session, "bytes_sent")), ("by_request".into(), 5));
    assert!(session.end_time_unix_nano > connect.end_time_unix_nano);
    for span in spans.iter().filter(|span| span.name != "session") {
        assert_eq!((&span.trace_id[..], &span.parent_span_id[..]), (&TRACE[..], &PARENT[..]), "{}", span.name);
    }
    let failed = spans.iter().filter(|span| span.name.ends_with("TcpDisconnect"));
    let codes: Vec<_> = failed.map(|span| number(span, "rpc.grpc.status_code")).collect();
    assert!(codes.contains(&5), "{codes:?}");
    let received = receiver.received.lock().expect("whole");
    let resource = received[0].resource_spans[0].resource.as_ref().expect("a resource");
    let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name").expect("a name");
    assert_eq!(service.value.clone().and_then(|value| value.value), Some(Value::StringValue("socket-gateway".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_does_not_sample_is_not_sampled_here_and_what_begins_here_is() {
    let receiver = Receiver::start().await;
    let (mut gateway, address) = Running::start(&["--set", &receiver.setting()]);
    let mut sockets = sockets(address).await;
    session(&mut sockets, echo().await, "00").await;
    let missing = TcpDisconnectRequest { session_id: "nobody".into(), ..Default::default() };
    sockets.tcp_disconnect(missing).await.expect_err("is not there");
    drop(sockets);
    gateway.signal("TERM");
    assert_eq!(gateway.ended().0, Some(0));
    let names: Vec<_> = receiver.spans().into_iter().map(|span| (span.name, span.parent_span_id.len())).collect();
    assert_eq!(names, [("tcpip.v1.SocketGatewayService/TcpDisconnect".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_or_silent_harms_neither_calls_nor_the_end() {
    // One port at which nobody listens, and one at which nobody answers.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("a free port");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    for endpoint in [nobody, silent.local_addr().expect("an address")] {
        let setting = format!("tracing.otlp_endpoint=http://{endpoint}");
        let (mut gateway, address) = Running::start(&["--set", &setting]);
        let mut sockets = sockets(address).await;
        // More than the queue of spans holds.
        for _ in 0..3000 {
            let missing = TcpDisconnectRequest { session_id: "nobody".into(), ..Default::default() };
            let error = sockets.tcp_disconnect(missing).await.expect_err("is not there");
            assert_eq!(error.code(), tonic::Code::NotFound);
        }
        drop(sockets);
        gateway.signal("TERM");
        assert_eq!(gateway.ended().0, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_sent_while_the_gateway_runs() {
    let receiver = Receiver::start().await;
    let (_gateway, address) = Running::start(&["--set", &receiver.setting()]);
    let mut sockets = sockets(address).await;
    session(&mut sockets, echo().await, "01").await;
    eventually("the session's span comes", || async { receiver.find("session").is_some() }).await;
}
