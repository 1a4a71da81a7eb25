//! Compiles `proto/` with a pure-Rust compiler, so that the build needs no protoc, and writes the descriptor set that
//! reflection serves.

#![allow(clippy::disallowed_methods, reason = "cargo speaks to a build script through the environment")]

use std::{env, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(
        ["tcpip/v1/error_reason.proto", "tcpip/v1/socket_gateway_service.proto", "tcpip/v1/session_service.proto"],
        ["proto"],
    )?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("tcpip_descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
