//! Replays the corpora, their mutations and pseudo-random inputs through every law, on stable Rust
//! and without a fuzzer.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

#[test]
fn packet_law_holds() {
    replay("packet", sureclock_fuzz::packet);
}

#[test]
fn exchange_law_holds() {
    replay("exchange", sureclock_fuzz::exchange);
}

#[test]
fn interval_text_law_holds() {
    replay("interval_text", sureclock_fuzz::interval_text);
}

#[test]
fn order_law_holds() {
    replay("order", sureclock_fuzz::order);
}

#[test]
fn agreement_law_holds() {
    replay("agreement", sureclock_fuzz::agreement);
}

#[test]
fn lease_law_holds() {
    replay("lease", sureclock_fuzz::lease);
}

#[test]
fn register_law_holds() {
    replay("register", sureclock_fuzz::register);
}

#[test]
fn request_law_holds() {
    replay("request", sureclock_fuzz::request);
}

#[test]
fn wire_law_holds() {
    // Each is written and read again in several forms, after every operation.
    replay_some("wire", sureclock_fuzz::wire, INPUTS / 5);
}

#[test]
fn world_law_holds() {
    // Each is some seconds or minutes of a world.
    replay_some("world", sureclock_fuzz::world, INPUTS / 50);
}

/// Every file of the corpus, then inputs made from seeds.
fn replay(name: &str, law: fn(&[u8]) -> bool) {
    replay_some(name, law, INPUTS);
}

fn replay_some(name: &str, law: fn(&[u8]) -> bool, inputs: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(corpus.len() >= 3, "{} has lost its seeds", folder.display());
    let mut reached = 0;
    for (path, data) in paths.iter().zip(&corpus) {
        reached += u64::from(run(law, data, &path.display().to_string()));
    }
    assert!(reached > 0, "no file of {} gets past the first refusal", folder.display());
    reached = 0;
    for seed in 0..inputs {
        let data = input(&mut SplitMix(seed), &corpus);
        reached += u64::from(run(law, &data, &format!("{name}, splitmix seed {seed}")));
    }
    assert!(
        reached >= inputs / 20,
        "only {reached} of {inputs} inputs get past the first refusal of {name}"
    );
}

/// Runs the law; where it panics, says on what.
fn run(law: fn(&[u8]) -> bool, data: &[u8], what: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| law(data))).unwrap_or_else(|panic| {
        eprintln!("broken by {what}: {}", data.escape_ascii());
        resume_unwind(panic)
    })
}

/// Random bytes (48 of them more often than not), or a file of the corpus with a few bytes changed.
fn input(random: &mut SplitMix, corpus: &[Vec<u8>]) -> Vec<u8> {
    if random.below(2) == 0 {
        let length = if random.below(2) == 0 { 48 } else { random.below(120) };
        return (0..length).map(|_| random.next() as u8).collect();
    }
    let mut data = corpus[random.below(corpus.len())].clone();
    for _ in 0..random.below(4) {
        let (at, byte) = (random.below(data.len() + 1), random.next() as u8);
        match (random.below(8), data.get_mut(at)) {
            // A digit stays one, so that a changed text may still be one.
            (0..=4, Some(old)) if old.is_ascii_digit() => *old = b'0' + byte % 10,
            (0..=4, Some(old)) => *old ^= 1 << (byte % 8),
            (5, _) => data.insert(at, byte),
            (6, Some(_)) => drop(data.remove(at)),
            (_, Some(old)) => *old = byte,
            (_, None) => data.push(byte),
        }
    }
    data
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

const INPUTS: u64 = 20_000;
