//! What kind of address an address is: the special-purpose blocks of IANA's registries (RFC 6890) and the addresses at which clouds
//! serve metadata and credentials. The longest block that holds an address decides.
//!
//! The standard library's `is_loopback`, `is_private` and their like are not used: they know neither 100.64.0.0/10 nor any block by
//! which IPv6 carries IPv4, and take an IPv4-mapped loopback address for none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The open internet.
    Public,
    /// This host.
    Loopback,
    /// RFC 1918.
    Private,
    /// Carrier-grade NAT (RFC 6598); clusters and overlays use it as well.
    Shared,
    /// IPv6's private addresses (RFC 4193).
    UniqueLocal,
    /// Documentation and benchmarks: nobody's on the internet, used in laboratories.
    Test,
    /// One wire, no router (RFC 3927, RFC 4291).
    LinkLocal,
    /// Where clouds serve metadata and credentials.
    Metadata,
    /// "This host" without an address; the system takes it for loopback.
    Unspecified,
    /// Groups.
    Multicast,
    /// Everybody on the wire.
    Broadcast,
    /// IPv6 addresses that stand for IPv4 ones by some means of transition.
    Transition,
    /// Whatever has no use yet, or none any more.
    Reserved,
}

impl Class {
    /// Its name in the names of built-in rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::UniqueLocal => "unique-local",
            Self::Test => "test",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Transition => "transition",
            Self::Reserved => "reserved",
        }
    }

    /// Whether only a rule that names addresses inside the very block can allow it.
    pub const fn is_protected(self) -> bool {
        match self {
            Self::Public | Self::Loopback | Self::Private | Self::Shared | Self::UniqueLocal | Self::Test => false,
            Self::LinkLocal
            | Self::Metadata
            | Self::Unspecified
            | Self::Multicast
            | Self::Broadcast
            | Self::Transition
            | Self::Reserved => true,
        }
    }
}

/// An address's class, and the prefix length of the block that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// Its class.
    pub class: Class,
    /// The length of the block's prefix.
    pub prefix_len: u8,
}

type Block4 = ([u8; 4], u8, Class);
type Block6 = ([u16; 8], u8, Class);

const IPV4: &[Block4] = &[
    ([0, 0, 0, 0], 0, Class::Public),
    ([0, 0, 0, 0], 8, Class::Unspecified),
    ([10, 0, 0, 0], 8, Class::Private),
    ([100, 64, 0, 0], 10, Class::Shared),
    // Alibaba Cloud.
    ([100, 100, 100, 200], 32, Class::Metadata),
    ([127, 0, 0, 0], 8, Class::Loopback),
    // Azure's wire server: a public address that only its virtual machines reach.
    ([168, 63, 129, 16], 32, Class::Metadata),
    ([169, 254, 0, 0], 16, Class::LinkLocal),
    // Amazon (tasks, pods, instances), Google, Azure, Oracle, OpenStack and most others; Tencent.
    ([169, 254, 169, 254], 32, Class::Metadata),
    ([169, 254, 170, 2], 32, Class::Metadata),
    ([169, 254, 170, 23], 32, Class::Metadata),
    ([169, 254, 0, 23], 32, Class::Metadata),
    ([172, 16, 0, 0], 12, Class::Private),
    ([192, 0, 0, 0], 24, Class::Reserved),
    // Oracle's older one.
    ([192, 0, 0, 192], 32, Class::Metadata),
    ([192, 0, 2, 0], 24, Class::Test),
    ([192, 88, 99, 0], 24, Class::Reserved),
    ([192, 168, 0, 0], 16, Class::Private),
    ([198, 18, 0, 0], 15, Class::Test),
    ([198, 51, 100, 0], 24, Class::Test),
    ([203, 0, 113, 0], 24, Class::Test),
    ([224, 0, 0, 0], 4, Class::Multicast),
    ([240, 0, 0, 0], 4, Class::Reserved),
    ([255, 255, 255, 255], 32, Class::Broadcast),
];

/// Nothing outside 2000::/3 is given out to anybody but what is listed.
const IPV6: &[Block6] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 0, Class::Reserved),
    ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, Class::Public),
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, Class::Unspecified),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Class::Loopback),
    // IPv4-compatible (RFC 4291, section 2.5.5.1) and IPv4-translated (RFC 2765).
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, Class::Transition),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, Class::Transition),
    // The well-known prefix of NAT64 is how IPv6-only networks reach IPv4 (RFC 6052): the address inside decides alone. The prefix
    // for local use (RFC 8215) leads wherever its network wants.
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, Class::Public),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Class::Transition),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Class::Reserved),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Class::Reserved),
    // Teredo (RFC 4380) and 6to4 (RFC 3056).
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Class::Transition),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Class::Transition),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Class::Test),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Class::Test),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Class::Test),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Class::UniqueLocal),
    // Amazon, Oracle, Google.
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32, Class::Metadata),
    ([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128, Class::Metadata),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, Class::Metadata),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Class::LinkLocal),
    // Site-local, long withdrawn (RFC 3879), and still routed by some.
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Class::Reserved),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Class::Multicast),
];

/// A rule that names reserved addresses must be at least this specific where no smaller block is listed.
const LEAST_RESERVED: u8 = 8;

/// The class of an address. An IPv4-mapped IPv6 address is for the caller to unwrap first (see `forms`).
pub fn classify(address: IpAddr) -> Classified {
    let (class, prefix_len) = match address {
        IpAddr::V4(v4) => {
            let bits = u32::from(v4);
            let within = |block: &&Block4| {
                let mask = u32::MAX.checked_shl(32 - u32::from(block.1)).unwrap_or(0);
                bits & mask == u32::from(Ipv4Addr::from(block.0))
            };
            longest(IPV4.iter().filter(within).map(|(_, len, class)| (*class, *len)))
        }
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            let within = |block: &&Block6| {
                let mask = u128::MAX.checked_shl(128 - u32::from(block.1)).unwrap_or(0);
                bits & mask == u128::from(Ipv6Addr::from(block.0))
            };
            longest(IPV6.iter().filter(within).map(|(_, len, class)| (*class, *len)))
        }
    };
    Classified { class, prefix_len: if prefix_len == 0 && class.is_protected() { LEAST_RESERVED } else { prefix_len } }
}

fn longest(blocks: impl Iterator<Item = (Class, u8)>) -> (Class, u8) {
    blocks.max_by_key(|(_, len)| *len).unwrap_or((Class::Reserved, 0))
}
