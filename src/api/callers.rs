//! Who sent a request: what the layer in front of the services found out.

use std::sync::Arc;

use tonic::Request;

use crate::{
    error::{Error, Reason},
    identity::Caller,
};

/// How services learn who calls.
#[derive(Clone)]
pub struct Callers(Option<Arc<Caller>>);

impl Callers {
    /// No identity is configured: whoever comes is the local caller.
    pub fn local() -> Self {
        Self(Some(Caller::local()))
    }

    /// The layer in front puts the caller into the request's extensions. A request without one is refused, so that a service the
    /// layer was forgotten for is closed rather than open.
    pub fn identified() -> Self {
        Self(None)
    }

    /// Who sent this request.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub(super) fn of<T>(&self, request: &Request<T>) -> Result<Arc<Caller>, Error> {
        let known = self.0.as_ref().or_else(|| request.extensions().get());
        known.cloned().ok_or_else(|| Error::new(Reason::Unauthenticated, "this call has no credentials"))
    }
}
