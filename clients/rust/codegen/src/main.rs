//! Writes `clients/rust/src/gen/tcpip.v1.rs` from `proto/`, with a compiler of its own: no protoc is needed.

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protos = here.join("../../../proto");
    let descriptors = protox::compile(
        ["tcpip/v1/error_reason.proto", "tcpip/v1/socket_gateway_service.proto", "tcpip/v1/session_service.proto"],
        [protos],
    )?;
    let out = here.join("../src/gen");
    fs::create_dir_all(&out)?;
    tonic_prost_build::configure().build_server(false).bytes(".").out_dir(out).compile_fds(descriptors)?;
    Ok(())
}
