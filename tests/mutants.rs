//! Hand-made mutants: each breaks one rule of the bound, and the campaign must find it within 10^4
//! worlds.
//!
//! A mutant is a file `tests/mutants/NAME.mutant`: what it breaks, the file, the scenario that
//! should find it, which is run_worlds first, and blocks of old and new text, each old text there
//! exactly once. That all of them apply is an ordinary test; that each is found takes minutes and
//! is run by name:
//!
//! `cargo test --release --test mutants -- --ignored --nocapture`
//!
//! `SURECLOCK_MUTANTS="never-stale no-second-look"` before it tries these alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

struct Mutant {
    name: String,
    breaks: String,
    file: String,
    by: String,
    blocks: Vec<(String, String)>,
}

const WORLDS: u32 = 10_000;
/// So many of the scenario that should find it come first: in a campaign of 10^4 each has more.
const FIRST_WORLDS: u32 = 200;
/// So many of all scenarios of what is not broken.
const UNBROKEN_WORLDS: u32 = 500;
/// Ten times what the campaign takes.
const LONGEST_CAMPAIGN_S: &str = "240";
const AT_A_TIME: usize = 2;
/// What the command `timeout` says then.
const TIMED_OUT: i32 = 124;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mutants() -> Vec<Mutant> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "mutant") {
            found.push(parse(&path));
        }
    }
    // Taken from the end.
    found.sort_by(|a, b| b.name.cmp(&a.name));
    found
}

fn parse(path: &Path) -> Mutant {
    let text = fs::read_to_string(path).unwrap();
    let (breaks, rest) = text.split_once('\n').unwrap();
    let (file, rest) = rest.split_once('\n').unwrap();
    let (by, rest) = rest.split_once('\n').unwrap();
    let blocks = rest.split("<<<<\n").skip(1).map(|block| {
        let (old, rest) = block.split_once("====\n").unwrap();
        let new = rest
            .strip_suffix(">>>>\n")
            .unwrap_or_else(|| panic!("{}: a block does not end", path.display()));
        // Without the last line end: a block may be a part of a line.
        let cut = |text: &str| text.strip_suffix('\n').unwrap_or(text).to_owned();
        (cut(old), cut(new))
    });
    Mutant {
        name: path.file_stem().unwrap().to_str().unwrap().into(),
        breaks: breaks.into(),
        file: file.strip_prefix("file: ").unwrap().into(),
        by: by.strip_prefix("by: ").unwrap().into(),
        blocks: blocks.collect(),
    }
}

impl Mutant {
    /// The broken file.
    fn apply(&self) -> String {
        let mut text = fs::read_to_string(root().join(&self.file)).unwrap();
        assert!(!self.blocks.is_empty(), "{} changes nothing", self.name);
        for (old, new) in &self.blocks {
            assert_eq!(
                text.matches(old).count(),
                1,
                "{}: this is not in {} once:\n{old}",
                self.name,
                self.file
            );
            text = text.replacen(old, new, 1);
        }
        text
    }
}

#[test]
fn every_mutant_applies() {
    let mutants = mutants();
    assert!(mutants.len() >= 12, "the mutants were found");
    for mutant in mutants {
        let broken = mutant.apply();
        assert_ne!(
            broken,
            fs::read_to_string(root().join(&mutant.file)).unwrap(),
            "{}",
            mutant.name
        );
    }
}

#[test]
#[ignore = "minutes; CI runs it by name"]
fn the_campaign_finds_every_mutant() {
    let wanted = std::env::var("SURECLOCK_MUTANTS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let chosen =
        mutants().into_iter().filter(|mutant| wanted.is_empty() || wanted.contains(&&*mutant.name));
    // A build leaves half of two processors idle, so there are two at a time.
    let waiting: Mutex<Vec<Mutant>> = Mutex::new(chosen.collect());
    let missed: Mutex<Vec<String>> = Mutex::default();
    let workshops: Vec<Workshop> = (0..AT_A_TIME).map(Workshop::open).collect();
    // The twin of the whole: what is not broken is not found. More worlds of it are the campaign's
    // own business.
    let unbroken = workshops[0].verdict(&[(None, UNBROKEN_WORLDS)]);
    println!("{:28} {}", "(none)", unbroken.as_deref().unwrap_or("nothing found, as it must be"));
    assert_eq!(unbroken, None, "the campaign fails without a mutant");
    for workshop in &workshops[1..] {
        // What others have written is built once.
        let copied = Command::new("cp")
            .arg("-a")
            .arg(&workshops[0].build)
            .arg(&workshop.build)
            .status()
            .unwrap();
        assert!(copied.success(), "the build was copied");
    }
    std::thread::scope(|scope| {
        for workshop in &workshops {
            scope.spawn(|| {
                while let Some(mutant) = take(&waiting) {
                    if !workshop.finds(&mutant) {
                        missed.lock().unwrap().push(mutant.name);
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

fn take(waiting: &Mutex<Vec<Mutant>>) -> Option<Mutant> {
    waiting.lock().unwrap().pop()
}

/// A copy of the project, in which one mutant after the other is built.
struct Workshop {
    tree: PathBuf,
    build: PathBuf,
}

impl Workshop {
    fn open(number: usize) -> Workshop {
        let at = root().join(format!("target/mutants/{number}"));
        let workshop = Workshop { tree: at.join("tree"), build: at.join("build") };
        if number > 0 {
            // To be copied from the first.
            let _none = fs::remove_dir_all(&workshop.build);
        }
        copy_tree(&workshop.tree);
        workshop
    }

    /// Whether the campaign finds the mutant; says how.
    fn finds(&self, mutant: &Mutant) -> bool {
        let original = fs::read_to_string(root().join(&mutant.file)).unwrap();
        fs::write(self.tree.join(&mutant.file), mutant.apply()).unwrap();
        let found = self.verdict(&[(Some(&mutant.by), FIRST_WORLDS), (None, WORLDS)]);
        fs::write(self.tree.join(&mutant.file), original).unwrap();
        let how = found.clone().unwrap_or_else(|| format!("NOT FOUND in {WORLDS} worlds"));
        println!("{:28} {how}  ({})", mutant.name, mutant.breaks);
        found.is_some()
    }

    /// What campaigns find, of one scenario or of all and so many worlds, one campaign after the
    /// other until one does.
    fn verdict(&self, campaigns: &[(Option<&str>, u32)]) -> Option<String> {
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.build)
            .env_remove("RUSTFLAGS");
        // Built many times and run for seconds.
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_INCREMENTAL", "1");
        command.args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--features",
            "sim,cli",
            "--example",
            "campaign",
        ]);
        let built = command.output().unwrap();
        assert!(
            built.status.success(),
            "a mutant does not compile:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let campaign = self.build.join("release/examples/campaign");
        campaigns.iter().find_map(|&(scenario, worlds)| found_in(&campaign, scenario, worlds))
    }
}

/// What so many worlds show, if anything.
fn found_in(campaign: &Path, scenario: Option<&str>, worlds: u32) -> Option<String> {
    // A mutant that makes a world go on for ever is found, too.
    let mut command = Command::new("timeout");
    command.arg(LONGEST_CAMPAIGN_S).arg(campaign).args(scenario).args([
        "--worlds",
        &worlds.to_string(),
        "--fail-fast",
        "--no-twins",
    ]);
    let output = command.output().unwrap();
    if output.status.success() {
        return None;
    }
    if output.status.code() == Some(TIMED_OUT) {
        return Some(format!("found: no end within {LONGEST_CAMPAIGN_S} s"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    // The rows so far: fault, scenario, worlds.
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|l| l.contains("law: "))
        .map(|l| l.split_whitespace().collect())
        .collect();
    let run_worlds: u64 = rows.iter().map(|row| row[2].parse::<u64>().unwrap()).sum();
    let law = text
        .lines()
        .find(|line| line.contains("is violated"))
        .and_then(|line| line.split_whitespace().next());
    // A mutant that makes the library panic is found, too.
    let what = law.map_or(format!("{}", output.status), str::to_owned);
    let scenario = rows.last().map_or("?", |row| row[1]);
    Some(format!("found after {run_worlds} of {worlds} worlds by {scenario}: {what}"))
}

/// What the build of the campaign needs, afresh.
fn copy_tree(to: &Path) {
    let _ = fs::remove_dir_all(to);
    let wanted = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "src",
        "examples",
        "tests/catalogue",
        "tests/simulation.rs",
        // Named in the manifest.
        "tests/external_consistency.rs",
        "tests/fences.rs",
        "tests/leases.rs",
        "tests/stories.rs",
        "benches",
    ];
    for name in wanted {
        copy(&root().join(name), &to.join(name));
    }
}

fn copy(from: &PathBuf, to: &PathBuf) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}
