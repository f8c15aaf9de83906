//! Leaders that are paused, cloned and succeeded, and shards that are restored from backups, all in
//! one step at a time: no write goes over what its writer does not know, none is made after a later
//! leader's barrier, and when a write is answered it is there. (What a restore takes away is gone.)
//! Each condition that is needed for that is taken out once, and what it is for must happen.
//!
//! `SURECLOCK_STEPS=100000000 cargo test --release --features sim --test fences -- --nocapture`
//! takes so many steps.

use std::time::{Duration, Instant};
use sureclock::ResourceName;
use sureclock::fence::{Admitted, FenceState, FencingToken, Rejected, admit};
use sureclock::sim::Dice;

/// The one resource; that tokens of another are refused is a unit test.
fn name() -> ResourceName {
    "shard".parse().unwrap()
}

const SHARDS: usize = 2;

/// What must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// A write went over writes that its writer did not know.
    Overwrites,
    /// A write was made after a later leader had set its barrier.
    Zombie,
    /// An answer said that a write was made, and it is not there.
    NotThere,
    /// A token that was admitted and asked again was not known any more.
    NoRetry,
}

/// A condition that is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    Fence,
    /// Shards are read before the barrier is set there.
    Barrier,
    Nonce,
    /// Whatever number and predecessor a write has, it is the next one.
    Chain,
    /// A number has only to be higher, and no predecessor is named: what the first design had.
    NextInChain,
    /// A number has only to be higher, but the one before is named.
    Number,
    /// A write does not name the one before it.
    Previous,
    /// The last number again is a retry, whatever is written.
    Id,
    /// The check is made when the write arrives, and the write later.
    Atomicity,
    /// A restored shard goes on with the state of its backup.
    StateAfterRestore,
}

/// A shard: its state, stored with what was written, of which a digest stands here.
#[derive(Clone, Copy, Default)]
struct Shard {
    state: Option<FenceState>,
    log: u64,
}

/// The digest of a log with one more write.
fn with(log: u64, content: u64) -> u64 {
    (log.rotate_left(17) ^ content).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Where a leader is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has a sequence, and no nonce yet.
    Granted,
    /// This shard gets its barrier next, and is read then.
    Takes(usize),
    Leads,
    Stopped,
}

/// A leader. A clone of it is a virtual machine's snapshot, started once more.
#[derive(Clone)]
struct Leader {
    sequence: u64,
    holder: u128,
    phase: Phase,
    /// The step before which it does nothing: it is paused.
    wakes: u64,
    chains: [Chain; SHARDS],
    /// Writes under way, which may overtake each other.
    writes: Vec<Write>,
}

/// A leader's writes to one shard.
#[derive(Clone, Copy, Default)]
struct Chain {
    writes: u64,
    last: u128,
    /// What the shard's log will be, by what the leader read and has sent.
    knows: u64,
}

#[derive(Clone, Copy)]
struct Write {
    shard: usize,
    token: FencingToken,
    content: u64,
    /// The log that it was made for.
    on: u64,
    /// Whether the check is behind it, where check and write are apart.
    checked: Option<FenceState>,
}

struct Run {
    dice: Dice,
    without: Without,
    now: u64,
    sequence: u64,
    contents: u64,
    shards: [Shard; SHARDS],
    backups: [Shard; SHARDS],
    /// The highest sequence that ever had its barrier set, whatever a restored shard knows of it.
    led: [u64; SHARDS],
    leaders: Vec<Leader>,
    written: u64,
    refused: u64,
}

impl Run {
    fn new(seed: u64, without: Without) -> Run {
        let dice = Dice::new(seed);
        let (shards, backups, led) = Default::default();
        Run {
            dice,
            now: 0,
            without,
            sequence: 0,
            contents: 0,
            shards,
            backups,
            led,
            leaders: Vec::new(),
            written: 0,
            refused: 0,
        }
    }

    fn admit(&self, shard: usize, mut token: FencingToken) -> Result<Admitted, Rejected> {
        let state = self.shards[shard].state.unwrap_or(FenceState::new(name()));
        match self.without {
            Without::Fence => return Ok(Admitted::Write(state)),
            Without::Nonce => token.holder = 1,
            Without::Chain if token.sequence == state.sequence && token.write > 0 => {
                (token.write, token.previous) = (state.write + 1, state.last);
            }
            Without::NextInChain
                if token.sequence == state.sequence && token.write > state.write =>
            {
                let before = FenceState { write: token.write - 1, last: token.previous, ..state };
                return admit(&before, &token);
            }
            Without::Number if token.sequence == state.sequence && token.write > state.write => {
                return admit(&FenceState { write: token.write - 1, ..state }, &token);
            }
            Without::Previous => token.previous = state.last,
            Without::Id if token.write == state.write => token.id = state.last,
            _ => {}
        }
        admit(&state, &token)
    }

    /// One step of one leader, or something that happens to the world.
    fn step(&mut self) -> Result<(), Violation> {
        self.now += 1;
        match self.dice.below(600) {
            // The store grants the lease to another one.
            0..=3 => {
                self.sequence += 1;
                if self.leaders.len() == 6 {
                    self.leaders.remove(0);
                }
                let (phase, chains) = (Phase::Granted, Default::default());
                self.leaders.push(Leader {
                    sequence: self.sequence,
                    holder: 0,
                    phase,
                    wakes: 0,
                    chains,
                    writes: Vec::new(),
                });
            }
            4 if !self.leaders.is_empty() && self.leaders.len() < 6 => {
                let clone = self.dice.one_of(&self.leaders).clone();
                self.leaders.push(clone);
            }
            5 => self.backups = self.shards,
            6 => {
                // A backup from before a leader was admitted would make it look new: it is refused
                // by its sequence.
                let shard = self.one_shard();
                let mut restored = self.backups[shard];
                if self.without != Without::StateAfterRestore {
                    restored.state = Some(FenceState::above(name(), self.sequence));
                }
                self.shards[shard] = restored;
            }
            _ if self.leaders.is_empty() => {}
            7 => {
                let index = usize::try_from(self.dice.below(self.leaders.len() as u64)).unwrap();
                self.leaders[index].wakes = self.now + self.dice.below(3000);
            }
            _ => {
                let index = usize::try_from(self.dice.below(self.leaders.len() as u64)).unwrap();
                if self.leaders[index].wakes > self.now {
                    return Ok(());
                }
                let mut leader = self.leaders[index].clone();
                let result = self.goes_on(&mut leader);
                self.leaders[index] = leader;
                self.leaders.retain(|leader| leader.phase != Phase::Stopped);
                return result;
            }
        }
        Ok(())
    }

    fn one_shard(&mut self) -> usize {
        usize::try_from(self.dice.below(SHARDS as u64)).unwrap()
    }

    fn goes_on(&mut self, leader: &mut Leader) -> Result<(), Violation> {
        match leader.phase {
            Phase::Granted => {
                // Drawn after the grant.
                leader.holder = u128::from(self.dice.bits()) + 1;
                leader.phase = Phase::Takes(0);
            }
            Phase::Takes(shard) => {
                let Leader { sequence, holder, .. } = *leader;
                let barrier = FencingToken {
                    resource: name(),
                    sequence,
                    holder,
                    write: 0,
                    previous: 0,
                    id: 0,
                };
                // Read before the barrier is set, it is read too soon.
                let too_soon = self.without == Without::Barrier;
                if too_soon && shard == 0 {
                    for (chain, shard) in leader.chains.iter_mut().zip(&self.shards) {
                        chain.knows = shard.log;
                    }
                }
                match self.admit(shard, barrier) {
                    Ok(Admitted::Write(state)) => self.shards[shard].state = Some(state),
                    Ok(Admitted::Retry) => {}
                    Err(_) => return self.refuses(leader),
                }
                self.led[shard] = self.led[shard].max(sequence);
                if !too_soon {
                    leader.chains[shard].knows = self.shards[shard].log;
                }
                leader.phase =
                    if shard + 1 < SHARDS { Phase::Takes(shard + 1) } else { Phase::Leads };
            }
            Phase::Leads if leader.writes.len() < 2 && self.dice.below(2) == 0 => {
                self.begins_to_write(leader)
            }
            Phase::Leads if leader.writes.is_empty() => {}
            Phase::Leads => {
                let index = usize::try_from(self.dice.below(leader.writes.len() as u64)).unwrap();
                let write = leader.writes.swap_remove(index);
                let admitted = match write.checked {
                    Some(state) => Ok(Admitted::Write(state)),
                    None => self.admit(write.shard, write.token),
                };
                match admitted {
                    Ok(Admitted::Write(state))
                        if self.without == Without::Atomicity && write.checked.is_none() =>
                    {
                        leader.writes.push(Write { checked: Some(state), ..write });
                    }
                    Ok(admitted) => return self.writes(write, admitted),
                    // It has overtaken the one before it: later again.
                    Err(Rejected::Gap { .. }) => leader.writes.push(write),
                    Err(_) => return self.refuses(leader),
                }
            }
            Phase::Stopped => {}
        }
        Ok(())
    }

    fn refuses(&mut self, leader: &mut Leader) -> Result<(), Violation> {
        self.refused += 1;
        leader.phase = Phase::Stopped;
        Ok(())
    }

    fn begins_to_write(&mut self, leader: &mut Leader) {
        self.contents += 1;
        let (shard, content, id) =
            (self.one_shard(), self.contents, u128::from(self.dice.bits()) + 1);
        let (sequence, holder, chain) = (leader.sequence, leader.holder, &mut leader.chains[shard]);
        let token = FencingToken {
            resource: name(),
            sequence,
            holder,
            write: chain.writes + 1,
            previous: chain.last,
            id,
        };
        leader.writes.push(Write { shard, token, content, on: chain.knows, checked: None });
        (chain.writes, chain.last, chain.knows) = (token.write, id, with(chain.knows, content));
    }

    /// The write is made, unless it was before, and answered, unless the answer is lost.
    fn writes(&mut self, write: Write, admitted: Admitted) -> Result<(), Violation> {
        let Write { shard, token, content, on, .. } = write;
        let at = &mut self.shards[shard];
        if let Admitted::Write(state) = admitted {
            if at.log != on {
                return Err(Violation::Overwrites);
            }
            if token.sequence < self.led[shard] && self.without != Without::Fence {
                return Err(Violation::Zombie);
            }
            *at = Shard { state: Some(state), log: with(on, content) };
            self.written += 1;
        }
        if at.log != with(on, content) {
            return Err(Violation::NotThere);
        }
        if self.dice.below(4) == 0 {
            // The answer is lost, so it is asked again before anything else, with the same token.
            let again = self.admit(shard, token);
            if again != Ok(Admitted::Retry) && self.without == Without::Nothing {
                return Err(Violation::NoRetry);
            }
        }
        Ok(())
    }
}

/// Plays so many steps, or says in which of them what happened.
fn run(seed: u64, steps: u64, without: Without) -> Result<Run, (u64, Violation)> {
    let mut run = Run::new(seed, without);
    for step in 0..steps {
        run.step().map_err(|violation| (step, violation))?;
    }
    Ok(run)
}

#[test]
fn no_write_goes_past_a_fence() {
    const EACH: u64 = 10_000;
    let steps: u64 = std::env::var("SURECLOCK_STEPS")
        .map_or(2_000_000, |steps| steps.parse().expect("a number of steps"));
    let (began, mut said, worlds) = (Instant::now(), Instant::now(), steps.div_ceil(EACH));
    let (mut written, mut refused) = (0, 0);
    for seed in 0..worlds {
        let run = run(seed, EACH, Without::Nothing)
            .unwrap_or_else(|violation| panic!("seed {seed}: {violation:?}"));
        (written, refused) = (written + run.written, refused + run.refused);
        if said.elapsed() > Duration::from_secs(10) {
            println!("{seed} of {worlds} worlds");
            said = Instant::now();
        }
    }
    println!(
        "{} steps, {written} written, {refused} leaders refused, {:.0?}",
        worlds * EACH,
        began.elapsed()
    );
    assert!(written > steps / 20 && refused > steps / 1000, "{written} written, {refused} refused");
}

#[test]
fn with_a_condition_taken_out_what_it_is_for_happens() {
    let cases = [
        (Without::Fence, Violation::Overwrites),
        (Without::Barrier, Violation::Overwrites),
        (Without::Chain, Violation::Overwrites),
        (Without::NextInChain, Violation::Overwrites),
        (Without::Previous, Violation::Overwrites),
        (Without::Id, Violation::NotThere),
        (Without::Atomicity, Violation::Zombie),
        (Without::StateAfterRestore, Violation::Zombie),
    ];
    for (without, expected) in cases {
        let mut found = (0..400).filter_map(|seed| Some((seed, run(seed, 10_000, without).err()?)));
        let (seed, (step, _)) = found
            .find(|(_, (_, violation))| *violation == expected)
            .unwrap_or_else(|| panic!("without {without:?} no {expected:?}"));
        println!("without {without:?}: {expected:?}, seed {seed}, step {step}");
    }
}

/// What the chain does by itself already. The nonce refuses the second copy at its barrier, before
/// it has read; the number tells a write that overtook another, which is to be sent again, from a
/// copy's.
#[test]
fn without_the_nonce_or_the_number_nothing_is_lost() {
    for without in [Without::Nonce, Without::Number] {
        for seed in 0..200 {
            assert_eq!(
                run(seed, 10_000, without).map(|_| ()),
                Ok(()),
                "without {without:?}, seed {seed}"
            );
        }
    }
}
