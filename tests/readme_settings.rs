//! The README's table of settings is the one that the program prints.

use std::{fs, path::Path};

#[test]
fn the_readme_shows_the_settings_as_the_program_prints_them() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let block = readme
        .split_once("<!-- settings -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- /settings -->"))
        .map(|(block, _)| block)
        .expect("README.md has a block between <!-- settings --> and <!-- /settings -->");
    let printed = socket_gateway::config::markdown();
    assert_eq!(block.trim(), printed.trim(), "put the output of `socket-gateway settings` there");
}
