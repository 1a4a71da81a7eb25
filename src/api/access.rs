//! What each method asks of its caller's role.

use crate::{
    error::{Error, Reason},
    identity::Role,
};

/// What a method does to what lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It shows.
    Look,
    /// It changes something, or receives data.
    Act,
    /// It is for operators.
    Operate,
}

/// By service and method.
const METHODS: &[(&str, &str, Access)] = &[
    (SOCKETS, "TcpConnect", Access::Act),
    (SOCKETS, "TcpListen", Access::Act),
    (SOCKETS, "TcpSend", Access::Act),
    (SOCKETS, "Attach", Access::Act),
    (SOCKETS, "TcpExchange", Access::Act),
    (SOCKETS, "TcpDisconnect", Access::Act),
    (SOCKETS, "TcpUnlisten", Access::Act),
    (SOCKETS, "UdpIn", Access::Act),
    (SOCKETS, "UdpOut", Access::Act),
    (SOCKETS, "Subscribe", Access::Act),
    (SESSIONS, "ListSessions", Access::Look),
    (SESSIONS, "GetSession", Access::Look),
    (SESSIONS, "ListListeners", Access::Look),
    (SESSIONS, "ListSubscribers", Access::Look),
    (SESSIONS, "Watch", Access::Look),
    (SESSIONS, "ClaimData", Access::Act),
    (SESSIONS, "Tap", Access::Operate),
    ("grpc.health.v1.Health", "Check", Access::Look),
    ("grpc.health.v1.Health", "List", Access::Look),
    ("grpc.health.v1.Health", "Watch", Access::Look),
    ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", Access::Look),
    ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", Access::Look),
];

const SOCKETS: &str = "tcpip.v1.SocketGatewayService";
const SESSIONS: &str = "tcpip.v1.SessionService";

impl Access {
    /// What the method of this path (`/service/method`) asks. One that is not listed is for operators alone, so that a method that was
    /// forgotten here is closed rather than open.
    pub fn of(path: &str) -> Self {
        let called = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let listed = METHODS.iter().find(|(service, method, _)| called == Some((*service, *method)));
        listed.map_or(Self::Operate, |(_, _, access)| *access)
    }

    /// Whether a role has it.
    ///
    /// # Errors
    /// ROLE_DENIED.
    pub fn check(self, role: Role) -> Result<(), Error> {
        let needed = match (self, role) {
            (Self::Look, _) | (_, Role::Operator) | (Self::Act, Role::User) => return Ok(()),
            (Self::Act, Role::Observer) => "a user or an operator",
            (Self::Operate, _) => "an operator",
        };
        let role = role.as_str();
        Err(Error::new(Reason::RoleDenied, format!("this call is for {needed}; your role is {role}"))
            .with("role", role))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::api::proto::DESCRIPTORS;

    #[test]
    fn every_method_of_the_api_is_listed_and_no_other() {
        let set = FileDescriptorSet::decode(DESCRIPTORS).expect("compiled in");
        let mut served = BTreeSet::new();
        for file in &set.file {
            for service in &file.service {
                let methods = service.method.iter().map(|method| method.name().to_owned());
                served.extend(methods.map(|method| (format!("{}.{}", file.package(), service.name()), method)));
            }
        }
        let listed: BTreeSet<_> = METHODS
            .iter()
            .filter(|(service, ..)| service.starts_with("tcpip."))
            .map(|(service, method, _)| ((*service).to_owned(), (*method).to_owned()))
            .collect();
        assert_eq!(listed, served);
    }

    #[test]
    fn each_role_may_what_it_is_for() {
        for (access, may) in [
            (Access::Look, [true, true, true]),
            (Access::Act, [true, true, false]),
            (Access::Operate, [false, true, false]),
        ] {
            assert_eq!(Role::ALL.map(|role| access.check(role).is_ok()), may, "{access:?}");
        }
        for path in ["", "/", "/tcpip.v1.SessionService/Forgotten", "tcpip.v1.SessionService/Watch", "/x/Watch"] {
            assert_eq!(Access::of(path), Access::Operate, "{path}");
        }
        assert_eq!(Access::of("/tcpip.v1.SessionService/Watch"), Access::Look);
    }
}
