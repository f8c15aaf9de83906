//! Taste held by a test: the floors, the length of files, where floats, atomics and unsafe may
//! stand.

use std::fs;
use std::path::{Path, PathBuf};

/// The floor of each part of `src/`, lowest first. A file imports its own part and lower floors
/// only.
const FLOORS: [(&str, u32); 27] = [
    ("time", 0),
    ("resource", 0),
    ("random", 0),
    ("os_error", 0),
    ("contain", 0),
    ("counter", 1),
    ("bound", 1),
    ("publish", 2),
    ("lease", 2),
    ("fence", 2),
    ("causality", 2),
    ("leadership", 3),
    ("register", 3),
    ("source", 3),
    ("sync", 4),
    ("clock", 5),
    ("builder", 5),
    ("testing", 5),
    ("hybrid", 5),
    ("request", 5),
    ("own_loop", 5),
    ("commit", 5),
    ("sim", 6),
    ("bin", 6),
    ("lib", 6),
    ("guide", 6),
    ("sureclock", 6),
];

const MOST_LINES: usize = 400;
const MOST_COLUMNS: usize = 100;

struct File {
    path: PathBuf,
    text: String,
}

fn sources() -> Vec<File> {
    let found = files_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(found.len() > 30, "the sources were found");
    found
}

/// The Rust files of a folder, except what was built there.
fn files_in(folder: &Path) -> Vec<File> {
    fn walk(folder: &Path, found: &mut Vec<File>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(File { text: fs::read_to_string(&path).unwrap(), path });
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, &mut found);
    assert!(!found.is_empty(), "the sources were found");
    found
}

/// The part of `src/` that a file belongs to.
fn part(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first =
        path.strip_prefix(root).unwrap().components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(part: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == part).map(|(_, floor)| *floor)
}

/// The code of a file without its tests and comments.
fn code(file: &File) -> String {
    let is_test = |path: &Path| {
        path.to_str().unwrap().contains("tests.rs") || path.ends_with("loom_models.rs")
    };
    if is_test(&file.path) {
        return String::new();
    }
    let until_tests = file.text.split("\nmod tests {").next().unwrap();
    until_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The parts that a file imports and may not.
fn imports_upward(file: &File) -> Vec<String> {
    let own = part(&file.path);
    let mine = floor(&own).unwrap_or_else(|| panic!("{own} has no floor: give it one here"));
    let code = code(file);
    let named = code
        .split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
    let upward = named.flatten().filter(|part| *part != own).filter(|part| match floor(part) {
        // The facade is one floor of several files.
        Some(theirs) => theirs > mine || (theirs == mine && mine != 5),
        None => false,
    });
    upward.map(str::to_owned).collect()
}

#[test]
fn imports_go_down_the_floors_only() {
    for file in sources() {
        let upward = imports_upward(&file);
        assert!(upward.is_empty(), "{} imports {upward:?}", file.path.display());
    }
}

#[test]
fn the_check_of_the_floors_sees_an_import_upward() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bound/agree.rs");
    assert_eq!(
        imports_upward(&File { path, text: "use crate::sync::Synchronizer;\n".into() }),
        ["sync"]
    );
}

#[test]
fn every_file_says_its_job_and_is_short() {
    for file in sources() {
        let name = file.path.display();
        assert!(file.text.starts_with("//! "), "{name} does not open with its job");
        let lines = code(&file).lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= MOST_LINES, "{name} has {lines} lines of code");
    }
}

/// The first comment of a text that is wider than `MOST_COLUMNS`. A row of a table is one line.
fn wide_comment(text: &str) -> Option<&str> {
    text.lines().find(|line| {
        let comment = line.trim_start();
        let words = comment.trim_start_matches(['/', '!']).trim_start();
        let is_row = words.starts_with('|');
        comment.starts_with("//") && !is_row && line.chars().count() > MOST_COLUMNS
    })
}

#[test]
fn comments_are_at_most_a_hundred_columns_wide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests", "examples", "benches", "fuzz"] {
        for file in files_in(&root.join(folder)) {
            assert_eq!(wide_comment(&file.text), None, "{}", file.path.display());
        }
    }
}

#[test]
fn the_check_of_columns_sees_a_wide_comment() {
    let wide = format!("let x = 1;\n    /// {}\n", "word ".repeat(20));
    assert!(wide_comment(&wide).is_some());
    assert_eq!(wide_comment(&wide.replace("/// ", "/// | ")), None, "a row of a table");
    assert_eq!(wide_comment(&wide.replace("/// ", "")), None, "no comment");
}

#[test]
fn floats_atomics_and_unsafe_stand_only_where_they_may() {
    for file in sources() {
        let (name, part, code) = (file.path.display().to_string(), part(&file.path), code(&file));
        let word =
            |word: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word);
        if part != "bin" {
            assert!(!word("f64") && !word("f32"), "{name}: no float near a bound");
        }
        // counter/: the manual counter and the count of forks; ARCHITECTURE.md says why.
        assert!(
            matches!(part.as_str(), "publish" | "counter") || !code.contains("sync::atomic"),
            "{name}: atomics"
        );
        assert!(part == "counter" || !word("unsafe"), "{name}: unsafe");
        // The hash tables of std draw random numbers, and panic where the system has none.
        let hashes = ["HashMap", "HashSet", "RandomState"].iter().any(|table| word(table));
        assert!(!hashes || matches!(part.as_str(), "bin" | "sim"), "{name}: a hash table of std");
        for marker in ["todo!", "unimplemented!", "dbg!"] {
            assert!(!code.contains(marker), "{name}: {marker}");
        }
        if matches!(part.as_str(), "time" | "bound") {
            let cast = code
                .match_indices(" as ")
                .map(|(at, _)| code[at + 4..].split(|c: char| !c.is_alphanumeric()).next());
            let numeric = |t: &str| {
                matches!(
                    t,
                    "u8" | "u16"
                        | "u32"
                        | "u64"
                        | "u128"
                        | "i8"
                        | "i16"
                        | "i32"
                        | "i64"
                        | "i128"
                        | "usize"
                )
            };
            assert!(!cast.flatten().any(numeric), "{name}: a cast where bounds are computed");
        }
    }
}
