//! Who calls, and what that allows: callers, their namespaces and roles. Pure: no sockets, no files, no gRPC.
//!
//! Everything that lives in the gateway belongs to a namespace, and ids are unique only within theirs. A caller reaches its own
//! namespace; what lies in another is not there for it. Only operators (and observers of everything) see more.

mod caller;
mod scoped;

pub use self::{
    caller::{Caller, EVERY_NAMESPACE, Role, Sight, is_namespace},
    scoped::Scoped,
};
