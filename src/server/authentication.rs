//! Who calls: asked of every call before anything of ours is made for it.
//!
//! The layer knows the caller by a bearer token or else by the client certificate of the connection, asks its role, and puts it into
//! the request's extensions; the credentials themselves go no further. Why credentials are no good is never told: whoever tries
//! tokens must not learn which are known, expired, or meant for another.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use pin_project_lite::pin_project;
use tokio::sync::watch;
use tonic::{Status, body::Body};
use tower_layer::Layer;
use tower_service::Service;

use super::{attempts::Attempts, connection::Peer, watched::WatchedBody};
use crate::{
    api::Access,
    audit::{Audit, Event},
    credentials::Live,
    error::{Error, Reason},
    gateway::Gateway,
    identity::{CertificateNames, Verified},
    metrics::Metrics,
};

/// What may be called without credentials.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) health: bool,
    pub(super) reflection: bool,
}

/// The layer; None: nobody is asked.
#[derive(Clone)]
pub(super) struct Authentication(Option<Arc<Guard>>);

struct Guard {
    live: Arc<Live>,
    open: Open,
    attempts: Attempts,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
}

impl Authentication {
    pub(super) fn new(live: Option<Arc<Live>>, open: Open, gateway: &Gateway) -> Self {
        Self(live.map(|live| {
            let (metrics, audit) = (Arc::clone(&gateway.metrics), Arc::clone(&gateway.audit));
            Arc::new(Guard { live, open, attempts: Attempts::new(Arc::clone(&gateway.limits)), metrics, audit })
        }))
    }
}

/// What a call showed.
#[derive(Clone)]
enum Shown {
    Token(HeaderValue),
    Certificate(Arc<CertificateNames>),
}

/// The credentials of a call that was let in: they are looked at again while its stream lives.
pub(super) struct Credential {
    live: Arc<Live>,
    shown: Shown,
    verified: Verified,
    changes: watch::Receiver<u64>,
}

impl Guard {
    fn is_open(&self, path: &str) -> bool {
        (self.open.health && path.starts_with("/grpc.health.v1.Health/"))
            || (self.open.reflection && path.starts_with("/grpc.reflection."))
    }

    /// Lets a request in. None: it needs no credentials.
    fn admit(&self, request: &mut Request<Body>) -> Result<Option<Credential>, Error> {
        let shown = shown(request);
        request.headers_mut().remove(AUTHORIZATION);
        if self.is_open(request.uri().path()) {
            return Ok(None);
        }
        let peer = request.extensions().get::<Peer>();
        let (address, known) = (peer.and_then(|peer| peer.address), peer.map(|peer| Arc::clone(&peer.known)));
        if !known.as_ref().is_some_and(|known| known.load(Ordering::Relaxed)) {
            let checked = self.attempts.check(address.map(|address| address.ip()));
            checked.inspect_err(|_| self.metrics.doors.authentication_failures.increment())?;
        }
        // Before the look at the credentials, so that no change of theirs is missed.
        let changes = self.live.changes();
        let verified = shown.as_ref().and_then(|shown| verify(&self.live, shown));
        if let Some(known) = known {
            known.store(verified.is_some(), Ordering::Relaxed);
        }
        let (Some(shown), Some(verified)) = (shown, verified) else {
            self.refused(request.uri().path(), address);
            return Err(unauthenticated());
        };
        Access::of(request.uri().path()).check(verified.caller.role)?;
        request.extensions_mut().insert(Arc::clone(&verified.caller));
        Ok(Some(Credential { live: Arc::clone(&self.live), shown, verified, changes }))
    }
}

impl Guard {
    /// Tells whoever watches, of so many as one address may have.
    fn refused(&self, path: &str, peer: Option<SocketAddr>) {
        self.metrics.doors.authentication_failures.increment();
        if let Some(unrecorded) = self.attempts.failed(peer.map(|peer| peer.ip())) {
            tracing::debug!(?peer, path, unrecorded, "a call without good credentials was refused");
            let method = self.metrics.rpc.name_of(path);
            self.audit.record(|| (None, Event::AuthenticationFailed { method, peer, unrecorded }));
        }
    }
}

/// A token goes before a certificate, and one that is no good is never made up for by the other.
fn shown(request: &Request<Body>) -> Option<Shown> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    match (headers.next(), headers.next()) {
        (Some(one), None) => Some(Shown::Token(one.clone())),
        (Some(_), Some(_)) => None,
        (None, _) => {
            let peer = request.extensions().get::<Peer>()?;
            peer.names.clone().map(Shown::Certificate)
        }
    }
}

fn verify(live: &Live, shown: &Shown) -> Option<Verified> {
    live.with(|credentials| {
        let authenticator = credentials.authenticator.as_ref()?;
        match shown {
            Shown::Token(header) => authenticator.bearer(bearer(header)?),
            Shown::Certificate(names) => authenticator.certificate(names),
        }
    })
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1).
fn bearer(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

fn unauthenticated() -> Error {
    let sentence = "the call has no credentials that this gateway accepts: send the header \"authorization: Bearer TOKEN\", or use a \
                    client certificate that it knows";
    Error::new(Reason::Unauthenticated, sentence)
}

impl Credential {
    /// Waits until the credentials are good no more.
    pub(super) async fn over(mut self) {
        loop {
            let expired = async {
                match self.verified.expires {
                    Some(at) => {
                        tokio::time::sleep(at.duration_since(std::time::SystemTime::now()).unwrap_or_default()).await
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // A token that has expired is not looked at again: only another token could follow it.
                () = expired => return,
                changed = self.changes.changed() => if changed.is_err() {
                    return;
                },
            }
            match verify(&self.live, &self.shown) {
                Some(verified) if verified.caller == self.verified.caller => self.verified = verified,
                _ => return,
            }
        }
    }

    /// The last words to a stream whose credentials are over.
    pub(super) fn last_words() -> HeaderMap {
        let sentence = "the credentials of this stream have expired or were withdrawn: attach again with good ones";
        let mut trailers = HeaderMap::new();
        // A constant sentence and no metadata always make headers.
        let _ = Status::from(Error::new(Reason::Unauthenticated, sentence)).add_header(&mut trailers);
        trailers
    }
}

impl<S> Layer<S> for Authentication {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated { inner, guard: self.0.clone() }
    }
}

/// A service that only known callers reach.
#[derive(Clone)]
pub(super) struct Authenticated<S> {
    inner: S,
    guard: Option<Arc<Guard>>,
}

impl<S> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<WatchedBody>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let admitted = self.guard.as_ref().map_or(Ok(None), |guard| guard.admit(&mut request));
        match admitted {
            Ok(credential) => Answering::Admitted { inner: self.inner.call(request), credential },
            Err(error) => Answering::Refused { error: Some(error) },
        }
    }
}

pin_project! {
    /// The answer to a call on its way.
    #[project = AnsweringProjection]
    pub(super) enum Answering<F> {
        Admitted { #[pin] inner: F, credential: Option<Credential> },
        Refused { error: Option<Error> },
    }
}

impl<F, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<WatchedBody>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match self.project() {
            AnsweringProjection::Admitted { inner, credential } => {
                let response = ready!(inner.poll(cx))?;
                let credential = credential.take();
                response.map(|body| WatchedBody::new(body, credential))
            }
            AnsweringProjection::Refused { error } => {
                let error = error.take().unwrap_or_else(unauthenticated);
                Status::from(error).into_http().map(|body| WatchedBody::new(body, None))
            }
        };
        Poll::Ready(Ok(answer))
    }
}
