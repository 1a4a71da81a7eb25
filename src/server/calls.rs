//! Every call on its way through the server: counted by method and code, and timed from its headers to its trailers.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::Code;
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::connection::Peer;
use crate::{
    audit::on_behalf_of,
    gateway::Gateway,
    metrics::{Metrics, Rpc},
};

/// Counts the calls of the service below it.
#[derive(Clone)]
pub(super) struct CountCalls {
    metrics: Arc<Metrics>,
}

impl CountCalls {
    pub(super) fn new(gateway: &Gateway) -> Self {
        Self { metrics: Arc::clone(&gateway.metrics) }
    }
}

impl<S> Layer<S> for CountCalls {
    type Service = CountedCalls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountedCalls { inner, counting: self.clone() }
    }
}

/// A service whose calls are counted.
#[derive(Clone)]
pub(super) struct CountedCalls<S> {
    inner: S,
    counting: CountCalls,
}

impl<S, I, B> Service<Request<I>> for CountedCalls<S>
where
    S: Service<Request<I>, Response = Response<B>>,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        let CountCalls { metrics } = &self.counting;
        let rpc = metrics.rpc.begin(request.uri().path());
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.address);
        let call = Call {
            span: span(metrics.rpc.name(rpc), request.headers()),
            rpc,
            metrics: Arc::clone(metrics),
            started: Instant::now(),
            timeout: timeout(request.headers()),
            code: None,
        };
        CountedFuture { inner: self.inner.call(request), peer, call: Some(call) }
    }
}

/// A call under way; counted in Drop, so that one whose caller leaves is counted too.
struct Call {
    /// None where nobody traces.
    span: Span,
    metrics: Arc<Metrics>,
    rpc: Rpc,
    started: Instant,
    /// What its caller gives it.
    timeout: Option<Duration>,
    code: Option<i32>,
}

impl Call {
    fn note_status(&mut self, headers: &HeaderMap) {
        let status = headers.get("grpc-status").and_then(|status| status.to_str().ok()?.parse().ok());
        self.code = status.or(self.code);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        // No status: it was dropped, by its caller's deadline or because the caller has left.
        let late = self.timeout.is_some_and(|timeout| took >= timeout);
        let dropped = if late { Code::DeadlineExceeded } else { Code::Cancelled };
        let code = self.code.unwrap_or(dropped as i32);
        self.span.record("rpc.grpc.status_code", code);
        if is_fault_of_the_server(code) {
            self.span.record("otel.status_code", "ERROR");
        }
        self.metrics.rpc.end(self.rpc, code, took);
    }
}

/// The target of the spans of calls.
pub const CALLS: &str = "socket_gateway::rpc";

/// A span of a call, as OpenTelemetry's conventions for gRPC servers name its parts; part of the caller's trace where it tells one
/// (W3C Trace Context). Costs next to nothing while nobody traces.
fn span(method: &'static str, headers: &HeaderMap) -> Span {
    let part = |which: fn((&'static str, &'static str)) -> &'static str| method.split_once('/').map_or("", which);
    let span = tracing::info_span!(
        target: CALLS,
        parent: None,
        "rpc",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = part(|(service, _)| service),
        rpc.method = part(|(_, name)| name),
        rpc.grpc.status_code = Empty,
    );
    if !span.is_disabled() && headers.contains_key("traceparent") {
        let caller = TraceContextPropagator::new().extract(&Headers(headers));
        // It fails where the span has begun already, and this one has not.
        let _ = span.set_parent(caller);
    }
    span
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The codes that OpenTelemetry's conventions count as errors of a server; with the others the caller is told what it did wrong.
fn is_fault_of_the_server(code: i32) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    [Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable, DataLoss].contains(&Code::from(code))
}

/// The caller's deadline, as the gRPC protocol over HTTP/2 writes it: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount.checked_mul(3600)?),
        "M" => Duration::from_secs(amount.checked_mul(60)?),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

pin_project! {
    /// The answer to a counted call.
    pub(super) struct CountedFuture<F> {
        #[pin]
        inner: F,
        peer: Option<SocketAddr>,
        call: Option<Call>,
    }
}

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = {
            // Whatever is opened meanwhile is linked to the call.
            let _entered = this.call.as_ref().map(|call| call.span.enter());
            ready!(on_behalf_of(*this.peer, || this.inner.poll(cx)))?
        };
        if let Some(call) = this.call {
            // An error without any message has its status here.
            call.note_status(response.headers());
        }
        let call = this.call.take();
        Poll::Ready(Ok(response.map(|inner| CountedBody { inner, call })))
    }
}

pin_project! {
    /// The messages of a counted call; with its trailers the call is over.
    pub(super) struct CountedBody<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B: Body<Data = Bytes>> Body for CountedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let (Some(Ok(frame)), Some(call)) = (&frame, this.call.as_mut())
            && let Some(trailers) = frame.trailers_ref()
        {
            call.note_status(trailers);
            *this.call = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_in_each_of_its_units() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().expect("a value"));
            timeout(&headers)
        };
        let units =
            [("2H", 7200.0), ("3M", 180.0), ("4S", 4.0), ("5m", 0.005), ("6u", 0.000_006), ("7n", 0.000_000_007)];
        for (text, seconds) in units {
            assert_eq!(of(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "S", "5", "5x", "-1S", "5\u{e9}"] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
