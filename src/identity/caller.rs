//! Callers and their roles.

use std::sync::Arc;

use crate::{
    error::{Error, Reason, Violation},
    limits::fixed,
};

/// The namespace of an observer that sees all namespaces.
pub const EVERY_NAMESPACE: &str = "*";

/// Whoever calls a gateway without identity. No quota applies to it.
const LOCAL: &str = "local";

/// Whoever wrote the configuration file.
const CONFIGURATION: &str = "configuration";

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, in its own namespace.
    User,
    /// What a user may, and besides: sees all namespaces, and ends what lives in them.
    Operator,
    /// Only looks, at its own namespace or (where that is [`EVERY_NAMESPACE`]) at all.
    Observer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::User, Self::Operator, Self::Observer];

    /// Its name in the configuration, in claims and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Observer => "observer",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Who it is: the name of a token, the subject of a JWT, a name of a certificate.
    pub identity: Arc<str>,
    /// What is its own.
    pub namespace: Arc<str>,
    /// What it may do.
    pub role: Role,
}

/// Which namespaces a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of them.
    Every,
    /// This one.
    One(Arc<str>),
}

impl Sight {
    /// Whether it shows this namespace.
    pub fn shows(&self, namespace: &str) -> bool {
        match self {
            Self::Every => true,
            Self::One(one) => **one == *namespace,
        }
    }
}

impl Caller {
    /// Whoever calls a gateway without identity: it is on loopback, and everything in it belongs to the one who runs it.
    pub fn local() -> Arc<Self> {
        Arc::new(Self { identity: LOCAL.into(), namespace: "".into(), role: Role::Operator })
    }

    /// The owner of what the configuration file declares in a namespace.
    pub fn declared(namespace: &str) -> Arc<Self> {
        Arc::new(Self { identity: CONFIGURATION.into(), namespace: namespace.into(), role: Role::User })
    }

    /// Whether quotas apply to it: neither to the one caller of a gateway without identity nor to what the file declares.
    pub fn has_quota(&self) -> bool {
        ![LOCAL, CONFIGURATION].contains(&&*self.identity)
    }

    /// Whether it sees what others own.
    pub fn sees_every_namespace(&self) -> bool {
        match self.role {
            Role::User => false,
            Role::Operator => true,
            Role::Observer => *self.namespace == *EVERY_NAMESPACE,
        }
    }

    /// The same caller in the namespace it asks for (empty: its own). Says nothing about what lives there.
    ///
    /// # Errors
    /// ROLE_DENIED where it is another's and the role does not reach that far; REQUEST_INVALID where it can be no namespace.
    pub fn in_namespace(self: &Arc<Self>, namespace: &str) -> Result<Arc<Self>, Error> {
        if namespace.is_empty() || *namespace == *self.namespace {
            return Ok(Arc::clone(self));
        }
        if !self.sees_every_namespace() {
            return Err(foreign().with("role", self.role.as_str()));
        }
        if !is_namespace(namespace) {
            let description = format!("must have at most {} bytes and no control characters", fixed::NAME_BYTES);
            return Err(Error::invalid(
                Reason::RequestInvalid,
                vec![Violation { field: "namespace".to_owned(), description }],
            ));
        }
        Ok(Arc::new(Self { identity: Arc::clone(&self.identity), namespace: namespace.into(), role: self.role }))
    }

    /// What a listing shows that asks for a namespace (empty: all it sees).
    ///
    /// # Errors
    /// ROLE_DENIED where it is another's and the role does not reach that far; REQUEST_INVALID where it can be no namespace.
    pub fn sight(self: &Arc<Self>, namespace: &str) -> Result<Sight, Error> {
        if namespace.is_empty() && self.sees_every_namespace() {
            return Ok(Sight::Every);
        }
        Ok(Sight::One(Arc::clone(&self.in_namespace(namespace)?.namespace)))
    }
}

/// Whether this can be a namespace.
pub fn is_namespace(text: &str) -> bool {
    (1..=fixed::NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn foreign() -> Error {
    let sentence =
        "namespace: only operators, and observers of every namespace, reach others than their own; leave it empty";
    Error::new(Reason::RoleDenied, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(namespace: &str, role: Role) -> Arc<Caller> {
        Arc::new(Caller { identity: "someone".into(), namespace: namespace.into(), role })
    }

    #[test]
    fn users_and_observers_reach_their_own_namespace_only() {
        for role in [Role::User, Role::Observer] {
            let caller = caller("a", role);
            assert_eq!(*caller.in_namespace("").expect("its own").namespace, *"a");
            assert_eq!(*caller.in_namespace("a").expect("its own").namespace, *"a");
            assert_eq!(caller.in_namespace("b").expect_err("another's").reason(), Reason::RoleDenied);
            assert_eq!(caller.sight("").expect("its own"), Sight::One("a".into()));
            assert_eq!(caller.sight("b").expect_err("another's").reason(), Reason::RoleDenied);
        }
    }

    #[test]
    fn operators_and_observers_of_everything_see_all_and_reach_each() {
        for caller in [caller("a", Role::Operator), caller("*", Role::Observer)] {
            assert_eq!(caller.sight("").expect("all"), Sight::Every);
            assert_eq!(caller.sight("b").expect("one"), Sight::One("b".into()));
            let there = caller.in_namespace("b").expect("another's");
            assert_eq!((&*there.namespace, there.role), ("b", caller.role));
        }
        assert!(!caller("*", Role::User).sees_every_namespace());
    }
}
