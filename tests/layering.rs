//! The floors of `src/`, checked by machine: a room imports only from floors below its own, or from its own floor where
//! that makes no cycle; every file opens with a `//!` header and stays short enough to be read in one go.
//!
//! A room is a file or folder directly under `src/`. What counts as an import is any path through the crate's root:
//! `crate::room`, the same inside braces, `socket_gateway::room` in the binary, and `super::` where it climbs to the root.
//! Comments, strings and `#[cfg(test)]` items do not count, nor do files called `tests.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Ground floor first. A new room gets its place here before it gets code.
const FLOORS: [&[&str]; 8] = [
    &["error", "envelope", "identity", "limits", "quota", "framing"],
    &["audit", "memory", "metrics", "changes", "credentials", "net", "subscriber", "claims", "policy"],
    &["session"],
    &["registry"],
    &["gateway"],
    &["api"],
    &["admin", "config", "server", "shutdown"],
    &["commands", "cli", "main", "lib"],
];

const MAX_LINES: usize = 400;

#[test]
fn every_room_of_src_imports_only_downwards_and_every_file_has_a_header_and_a_modest_length() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<(String, String)> = rust_files(&src)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&src).expect("found under src").to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(&path).expect("a source file is readable text"))
        })
        .collect();
    assert!(files.iter().any(|(name, _)| name == "lib.rs"), "the walk through {} missed lib.rs", src.display());

    let complaints = check(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a source folder is readable") {
        let path = entry.expect("a source folder is readable").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// All complaints about a tree, given as paths relative to `src/` with their texts.
fn check<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut complaints = Vec::new();
    // On each floor, who imports whom and where that is first said.
    let mut level: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, text) in files {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            complaints.push(format!("src/{name}: {lines} lines, more than {MAX_LINES}: split it"));
        }
        if !text.trim_start().starts_with("//!") {
            complaints.push(format!("src/{name}: opens without a //! header that says what it owns"));
        }
        let room = room_of(name);
        let Some(floor) = floor_of(&room) else {
            complaints.push(format!("src/{name}: the room `{room}` has no floor in tests/layering.rs"));
            continue;
        };
        if name.ends_with("tests.rs") {
            continue;
        }
        for (line, target) in imports(name, text) {
            let place = format!("src/{name}:{line}");
            match floor_of(&target) {
                _ if target == room => {}
                None => complaints.push(format!("{place}: imports `{target}`, which is no room of tests/layering.rs")),
                Some(above) if above > floor => complaints.push(format!(
                    "{place}: `{room}` (floor {floor}) imports `{target}` (floor {above}); imports go downwards"
                )),
                Some(below) if below < floor => {}
                Some(_) => {
                    level.entry(room.clone()).or_default().entry(target).or_insert(place);
                }
            }
        }
    }
    complaints.extend(cycles(&level));
    complaints
}

fn room_of(name: &str) -> String {
    let first = name.split('/').next().unwrap_or(name);
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// One complaint per ring of rooms that import each other.
fn cycles(level: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<String> {
    fn walk<'a>(
        level: &'a BTreeMap<String, BTreeMap<String, String>>,
        trail: &mut Vec<&'a str>,
        rings: &mut BTreeMap<BTreeSet<&'a str>, String>,
    ) {
        let here = trail[trail.len() - 1];
        for next in level.get(here).into_iter().flat_map(BTreeMap::keys) {
            let Some(start) = trail.iter().position(|room| room == next) else {
                trail.push(next);
                walk(level, trail, rings);
                trail.pop();
                continue;
            };
            let ring = &trail[start..];
            rings.entry(ring.iter().copied().collect()).or_insert_with(|| {
                let steps = ring.iter().zip(ring.iter().skip(1).chain([&ring[0]]));
                let said: Vec<_> =
                    steps.map(|(from, to)| format!("`{from}` imports `{to}` ({})", level[*from][*to])).collect();
                format!("rooms of one floor import each other: {}", said.join(", "))
            });
        }
    }

    let mut rings = BTreeMap::new();
    for room in level.keys() {
        walk(level, &mut vec![room], &mut rings);
    }
    rings.into_values().collect()
}

/// The rooms a file names, with line numbers.
fn imports(name: &str, text: &str) -> Vec<(usize, String)> {
    let tokens = without_test_items(tokens(text));
    let at = |index: usize| tokens.get(index).map_or("", |(_, token)| token.as_str());
    let mut found = Vec::new();
    // For each open brace, whether it opened an inline module: `super` then has one step more to the root.
    let mut braces = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let rooted = match at(index) {
            "{" => {
                braces.push(index >= 2 && at(index - 2) == "mod");
                false
            }
            "}" => {
                braces.pop();
                false
            }
            "crate" | "socket_gateway" => at(index + 1) == "::",
            "super" => {
                let mut climbed = 1;
                while at(index + 1) == "::" && at(index + 2) == "super" {
                    index += 2;
                    climbed += 1;
                }
                let inline = braces.iter().filter(|module| **module).count();
                at(index + 1) == "::" && climbed >= depth_of(name) + inline
            }
            _ => false,
        };
        index += 1;
        if rooted {
            let line = tokens[index].0;
            found.extend(heads(&tokens[index + 1..]).into_iter().map(|(at, head)| (at.unwrap_or(line), head)));
        }
    }
    found
}

/// How many `super::` lead from a file to the crate's root.
fn depth_of(name: &str) -> usize {
    let steps = name.split('/').count();
    match name.rsplit('/').next() {
        Some("lib.rs" | "main.rs") if steps == 1 => 0,
        Some("mod.rs") => steps - 1,
        _ => steps,
    }
}

/// The first names after `crate::`: one, or one for each branch of a group. A name that is no module (`*`, `self`, a
/// type, a macro) comes through a re-export and belongs to `lib`.
fn heads(tokens: &[(usize, String)]) -> Vec<(Option<usize>, String)> {
    fn head((line, token): &(usize, String)) -> (Option<usize>, String) {
        let module = token.starts_with(|first: char| first.is_lowercase()) && token != "self";
        (Some(*line), if module { token.clone() } else { "lib".to_owned() })
    }

    match tokens.first() {
        None => Vec::new(),
        Some((_, token)) if token != "{" => vec![head(&tokens[0])],
        Some(_) => {
            let mut found = Vec::new();
            let mut depth = 0;
            for (index, token) in tokens.iter().enumerate() {
                match token.1.as_str() {
                    "{" => depth += 1,
                    "}" if depth == 1 => break,
                    "}" => depth -= 1,
                    "," => {}
                    _ if depth == 1 && matches!(tokens[index - 1].1.as_str(), "{" | ",") => found.push(head(token)),
                    _ => {}
                }
            }
            found
        }
    }
}

/// Names, `::` and single marks with their line numbers; comments, literals and white space are left out.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = literal(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.push((line, rest[..length].to_owned()));
            length
        } else if rest.starts_with("::") {
            found.push((line, "::".to_owned()));
            2
        } else {
            if !first.is_whitespace() {
                found.push((line, first.to_string()));
            }
            first.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of the string or character that opens a text; a lifetime is neither.
fn literal(text: &str) -> Option<usize> {
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - unprefixed.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let body = raw.trim_start_matches('#');
        let hashes = raw.len() - body.len();
        let close = format!("\"{}", "#".repeat(hashes));
        let length = body.strip_prefix('"')?.find(&close).map_or(body.len(), |end| 1 + end + close.len());
        return Some(prefix + 1 + hashes + length);
    }
    let quote = unprefixed.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut inner = unprefixed.char_indices().skip(1);
    while let Some((at, next)) = inner.next() {
        match next {
            '\\' => {
                inner.next();
            }
            _ if next == quote => return Some(prefix + at + 1),
            // Only one plain character fits between single quotes.
            _ if quote == '\'' && unprefixed[at + next.len_utf8()..].starts_with('\'') => {}
            _ if quote == '\'' && !unprefixed[1..].starts_with('\\') => return None,
            _ => {}
        }
    }
    Some(text.len())
}

/// Leaves out each item under `#[cfg(test)]`, up to its closing brace or semicolon.
fn without_test_items(tokens: Vec<(usize, String)>) -> Vec<(usize, String)> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let marked = tokens[index..].iter().map(|(_, token)| token.as_str()).take(MARK.len()).eq(MARK);
        if !marked {
            kept.push(tokens[index].clone());
            index += 1;
            continue;
        }
        let mut depth = 0;
        index += MARK.len();
        while index < tokens.len() {
            let token = tokens[index].1.as_str();
            index += 1;
            match token {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
    kept
}

/// The checks themselves, on small made-up trees: what must be caught is caught, and nothing else is.
mod on_made_up_trees {
    use super::{MAX_LINES, check};

    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let headed: Vec<_> = files.iter().map(|(name, body)| (*name, format!("//! A room.\n{body}"))).collect();
        check(headed.iter().map(|(name, text)| (*name, text.as_str())))
    }

    #[track_caller]
    fn assert_one(complaints: &[String], parts: &[&str]) {
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        for part in parts {
            assert!(complaints[0].contains(part), "{:?} lacks {part:?}", complaints[0]);
        }
    }

    #[test]
    fn a_downward_import_passes() {
        assert_eq!(complaints(&[("session/tcp.rs", "use crate::{error::Error, net::tcp, session::Handle};")]), [""; 0]);
    }

    #[test]
    fn an_upward_import_fails_with_its_file_and_line() {
        let found = complaints(&[("session/tcp.rs", "use std::io;\nuse crate::registry::Registry;")]);
        assert_one(&found, &["src/session/tcp.rs:3", "`session` (floor 2)", "`registry` (floor 3)"]);
    }

    #[test]
    fn an_upward_path_in_the_middle_of_code_fails() {
        assert_one(&complaints(&[("net/mod.rs", "fn f() { crate::gateway::go::<'a>('\\'') }")]), &["gateway"]);
    }

    #[test]
    fn an_upward_import_in_a_nested_group_fails() {
        let body = "use crate::{\n    error::{self, Error},\n    server::Server,\n};";
        assert_one(&complaints(&[("claims.rs", body)]), &["src/claims.rs:4", "`server`"]);
    }

    #[test]
    fn climbing_to_the_root_with_super_is_an_import() {
        assert_one(&complaints(&[("session/tcp.rs", "use super::super::api::proto;")]), &["`api`"]);
        assert_one(&complaints(&[("registry.rs", "mod inner { use super::super::api::proto; }")]), &["`api`"]);
        assert_one(&complaints(&[("session/mod.rs", "use super::api::proto;")]), &["`api`"]);
        assert_eq!(
            complaints(&[("session/tcp.rs", "use super::api::x; mod inner { use super::super::api::x; }")]),
            [""; 0]
        );
    }

    #[test]
    fn a_name_from_the_crate_root_counts_as_an_import_of_lib() {
        assert_one(&complaints(&[("registry.rs", "use crate::Error;")]), &["`lib` (floor 7)"]);
        assert_one(&complaints(&[("registry.rs", "use crate::*;")]), &["`lib` (floor 7)"]);
    }

    #[test]
    fn neighbours_on_one_floor_may_import_one_way() {
        assert_eq!(complaints(&[("claims.rs", "use crate::subscriber::Id;"), ("subscriber.rs", "")]), [""; 0]);
    }

    #[test]
    fn neighbours_that_import_each_other_fail_once_and_name_the_whole_ring() {
        let found = complaints(&[
            ("claims.rs", "use crate::subscriber::Id;"),
            ("subscriber/mod.rs", "use crate::net::Addr;"),
            ("net/mod.rs", "use crate::claims::Claim;"),
        ]);
        assert_one(&found, &["src/claims.rs:2", "src/subscriber/mod.rs:2", "src/net/mod.rs:2"]);
    }

    #[test]
    fn a_room_without_a_floor_fails() {
        assert_one(&complaints(&[("helpers.rs", "")]), &["`helpers`", "no floor"]);
        assert_one(&complaints(&[("api/mod.rs", "use crate::helpers::x;")]), &["`helpers`", "no room"]);
    }

    #[test]
    fn comments_strings_and_lifetimes_are_not_imports() {
        let body = "// crate::api::X\n/* a /* crate::api */ crate::api */ const A: &'static str = \"\\\" crate::api::X\";\n\
                    /// [`crate::api::X`]\nconst B: &str = r#\"\" crate::api::X\"#; const C: [char; 2] = ['\"', '\\u{22}'];";
        assert_eq!(complaints(&[("error.rs", body)]), [""; 0]);
    }

    #[test]
    fn what_follows_a_literal_is_read_again() {
        let body = "const A: [char; 3] = ['\"', '\\\\', 'ä']; const B: &[u8] = br\"\\\"; use crate::api::X;";
        assert_one(&complaints(&[("error.rs", body)]), &["`api`"]);
    }

    #[test]
    fn tests_may_import_upwards_and_the_code_after_them_may_not() {
        let body = "#[cfg(test)]\nmod tests { use crate::api::X; fn f() {} }\n#[cfg(test)] use crate::server::Y;\n";
        assert_eq!(complaints(&[("net.rs", body), ("net/tests.rs", "use crate::api::X;")]), [""; 0]);
        assert_one(&complaints(&[("net.rs", &format!("{body}use crate::api::Z;"))]), &["src/net.rs:5"]);
    }

    #[test]
    fn a_file_without_a_header_fails() {
        assert_one(&check([("error.rs", "// Not a header.\n")]), &["src/error.rs", "header"]);
    }

    #[test]
    fn a_file_over_the_limit_fails_and_one_at_the_limit_passes() {
        assert_one(&complaints(&[("error.rs", &"\n".repeat(MAX_LINES))]), &["401 lines"]);
        assert_eq!(complaints(&[("error.rs", &"\n".repeat(MAX_LINES - 1))]), [""; 0]);
    }
}
