//! What the admin server answers.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{
    gateway::Gateway,
    metrics::{Format, expose},
};

const INDEX: &str = "socket-gateway\n\n\
    /metrics  figures for Prometheus (OpenMetrics or text 0.0.4, by Accept)\n\
    /healthz  200 while the process serves\n\
    /readyz   200 while new work is welcome, 503 while the gateway goes down\n";

pub(super) async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    Ok(match request.uri().path() {
        "/" => text(StatusCode::OK, INDEX),
        "/metrics" => {
            let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
            metrics(gateway, Format::accepted(accept.unwrap_or_default())).await
        }
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if gateway.is_stopping() => text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n"),
        "/readyz" => text(StatusCode::OK, "ready\n"),
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
    })
}

async fn metrics(gateway: Arc<Gateway>, format: Format) -> Response<Full<Bytes>> {
    // It looks at every session, which is no work for a thread that moves bytes.
    let page = tokio::task::spawn_blocking(move || expose(&gateway.metrics, gateway.picture(), format)).await;
    match page {
        Ok(page) => respond(StatusCode::OK, format.content_type(), page),
        Err(error) => {
            tracing::error!(%error, "metrics could not be collected; please report it");
            text(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be collected; the log says why\n")
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
