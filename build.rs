//! Compiles `proto/` with a pure-Rust compiler, so that the build needs no protoc, and writes the descriptor set that
//! reflection serves.

#![allow(clippy::disallowed_methods, reason = "cargo speaks to a build script through the environment")]

use std::{env, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut descriptors = protox::compile(
        ["tcpip/v1/error_reason.proto", "tcpip/v1/socket_gateway_service.proto", "tcpip/v1/session_service.proto"],
        ["proto"],
    )?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("tcpip_descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors.clone())?;
    // The service once more, with messages of its streams that are written and read by hand.
    descriptors.file.retain(|file| file.name() != "tcpip/v1/session_service.proto");
    let streamed = out.join("streamed");
    fs::create_dir_all(&streamed)?;
    tonic_prost_build::configure()
        .build_client(false)
        .out_dir(streamed)
        .extern_path(".tcpip.v1.SubscribeResponse", "crate::api::down::SubscribeMessage")
        .extern_path(".tcpip.v1.AttachResponse", "crate::api::down::AttachMessage")
        .extern_path(".tcpip.v1.AttachRequest", "crate::api::up::AttachCommand")
        .extern_path(".tcpip.v1", "crate::api::proto")
        .compile_fds(descriptors)?;
    Ok(())
}
