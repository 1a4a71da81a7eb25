//! SECURITY.md names a test for each promise: they are there.

use std::{collections::BTreeSet, fs, path::Path};

fn names_of_tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of tests is readable") {
        let path = entry.expect("a folder of tests is readable").path();
        if path.is_dir() {
            names_of_tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a test is readable text");
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            found.extend(functions.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("SECURITY.md")).expect("SECURITY.md");
    let promises = page.split_once("### What is promised").and_then(|(_, rest)| rest.split_once("### What is not"));
    let (promises, _) = promises.expect("the page has both parts");
    let named: BTreeSet<&str> =
        promises.split('`').skip(1).step_by(2).filter(|name| name.contains('_') && !name.contains('/')).collect();
    assert!(named.len() > 30, "only {} tests are named", named.len());
    let mut found = BTreeSet::new();
    names_of_tests(&root.join("tests"), &mut found);
    let missing: Vec<_> = named.into_iter().filter(|name| !found.contains(*name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
