//! The generated stubs, for what the layer above does not show. Lints are eased here and nowhere else.

#![allow(
    clippy::all,
    rustdoc::all,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    reason = "generated code; the proto files are its documentation"
)]

include!("gen/tcpip.v1.rs");
