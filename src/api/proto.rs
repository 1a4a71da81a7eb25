//! The code generated from `proto/tcpip/v1`. Lints are eased here and nowhere else.

#![allow(
    clippy::all,
    rustdoc::all,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    reason = "generated code; the proto files are its documentation"
)]

tonic::include_proto!("tcpip.v1");

/// The service whose streams carry `api::down`'s messages instead of generated ones.
pub mod streamed {
    include!(concat!(env!("OUT_DIR"), "/streamed/tcpip.v1.rs"));
}

/// The descriptors that reflection serves.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("tcpip_descriptor");
