//! The built-in rule lists: what is allowed where no rule of one's own decides.
//!
//! | class | `dev` | `lan` | `internet` |
//! |---|---|---|---|
//! | public | yes | yes | yes |
//! | private, shared, unique-local, test | yes | yes | no |
//! | loopback | yes | no | no |
//! | multicast (UDP) | yes | yes | no |
//! | broadcast (UDP) | yes | no | no |
//! | link-local, metadata, unspecified, transition, reserved | no | no | no |
//! | binding loopback | yes | no | no |
//! | binding a port from 1 to 1023 | yes | no | no |
//! | binding anything else | yes | yes | yes |
//! | joining a group | yes | yes | no |

use super::{Bind, Class, Dial, RuleName, Verdict, canonical, classify};

/// Ports below this one are the system's (RFC 6335, section 6).
const FIRST_UNPRIVILEGED: u16 = 1024;

/// A built-in rule list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// For the gateway on one's own machine.
    Dev,
    /// For a gateway that reaches into its own network.
    Lan,
    /// For a gateway whose callers are to reach the internet and nothing nearer.
    Internet,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Dev, Self::Lan, Self::Internet];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Lan => "lan",
            Self::Internet => "internet",
        }
    }

    pub(super) fn dial(self, dial: &Dial<'_>, class: Class) -> Verdict {
        if dial.broadcast && self != Self::Dev {
            return self.verdict(false, Class::Broadcast.as_str());
        }
        let allowed = match class {
            Class::Public => true,
            Class::Private | Class::Shared | Class::UniqueLocal | Class::Test | Class::Multicast => {
                matches!(self, Self::Dev | Self::Lan)
            }
            Class::Loopback | Class::Broadcast => self == Self::Dev,
            Class::LinkLocal | Class::Metadata | Class::Unspecified | Class::Transition | Class::Reserved => false,
        };
        self.verdict(allowed, class.as_str())
    }

    pub(super) fn bind(self, bind: &Bind) -> Verdict {
        let loopback = classify(canonical(bind.address)).class == Class::Loopback;
        let (denied, what) = match self {
            _ if loopback => (self != Self::Dev, "bind-loopback"),
            _ if (1..FIRST_UNPRIVILEGED).contains(&bind.port) => (self != Self::Dev, "bind-privileged-port"),
            _ => (false, "bind"),
        };
        self.verdict(!denied, what)
    }

    pub(super) fn join(self) -> Verdict {
        self.verdict(matches!(self, Self::Dev | Self::Lan), "join-multicast")
    }

    fn verdict(self, allowed: bool, what: &'static str) -> Verdict {
        let rule = RuleName::Profile(self, what);
        if allowed { Verdict::allowed(rule) } else { Verdict::denied(rule) }
    }
}
