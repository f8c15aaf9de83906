//! The catalogue of faults: scenarios with their laws, and for each a twin that must violate.
//!
//! Shared by `tests/simulation.rs` (a short campaign) and `examples/campaign.rs` (a long one, by
//! command).

mod generators;
mod learned_rate;
mod machine_faults;
mod oracle;
mod reachability;
mod recovery;
mod run;
mod source_faults;

pub(crate) use run::{Run, Tally};

use machine_faults as machine;
use run::Checked;
use source_faults as sources;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use sureclock::sim::Violation;

pub(crate) type Steps = fn(&mut Run) -> Checked;

/// A fault, what is done with it, and what must hold.
pub(crate) struct Scenario {
    /// The number in the catalogue of faults.
    pub(crate) fault: &'static str,
    pub(crate) name: &'static str,
    /// In words.
    pub(crate) law: &'static str,
    pub(crate) steps: Steps,
    /// The same with the assumption broken: here the law must be seen to be violated.
    pub(crate) twin: Option<(&'static str, Steps)>,
}

const CERTAIN: &str = "contained or an error; earliest never back; s1 < s2";

const fn scenario(
    fault: &'static str,
    name: &'static str,
    law: &'static str,
    steps: Steps,
) -> Scenario {
    Scenario { fault, name, law, steps, twin: None }
}

const fn with_twin(scenario: Scenario, name: &'static str, steps: Steps) -> Scenario {
    Scenario { twin: Some((name, steps)), ..scenario }
}

/// Every scenario, in the order of the faults.
pub(crate) const CATALOGUE: &[Scenario] = &[
    with_twin(
        scenario("F1", "os-clock-stepped", CERTAIN, machine::os_clock_stepped),
        "sources measured against it",
        machine::os_clock_stepped_under_a_source_that_trusts_it,
    ),
    with_twin(
        scenario("F2", "oscillator-at-the-bound", CERTAIN, machine::oscillator_at_the_bound),
        "beyond the bound",
        machine::oscillator_beyond_the_bound,
    ),
    with_twin(
        scenario(
            "F2",
            "oscillator-beyond-is-seen",
            "disrupted within 60 s",
            machine::oscillator_beyond_the_bound_is_seen,
        ),
        "within the bound",
        machine::oscillator_within_the_bound_is_not_seen,
    ),
    with_twin(
        scenario(
            "F2",
            "oscillator-beyond-is-refused",
            "named within half an hour, then no answer",
            machine::oscillator_beyond_the_bound_is_refused,
        ),
        "within the bound",
        machine::oscillator_within_the_bound_is_not_refused,
    ),
    with_twin(
        scenario(
            "F2",
            "rate-wanders-at-the-limit",
            CERTAIN,
            learned_rate::rate_wanders_at_the_limit,
        ),
        "beyond the limit",
        learned_rate::rate_wanders_beyond_the_limit,
    ),
    with_twin(
        scenario(
            "F2",
            "rate-after-its-horizon",
            CERTAIN,
            learned_rate::rate_leaves_after_its_horizon,
        ),
        "before it is over",
        learned_rate::rate_leaves_before_its_horizon,
    ),
    with_twin(
        scenario(
            "F2",
            "rate-wandering-is-seen",
            "disrupted within 120 s, then certain",
            learned_rate::rate_wandering_beyond_is_seen,
        ),
        "within the limit",
        learned_rate::rate_wandering_within_is_not_seen,
    ),
    with_twin(
        scenario(
            "F2",
            "learning-pays",
            "a fifth as wide as with the bound alone",
            learned_rate::learning_pays,
        ),
        "the bound alone",
        learned_rate::a_fixed_bound_does_not_pay,
    ),
    with_twin(
        scenario("F2", "monotonic-slewed", CERTAIN, machine::monotonic_slewed),
        "slewed by 12 %",
        machine::monotonic_slewed_beyond,
    ),
    with_twin(
        scenario("F3", "cross-core-skew", CERTAIN, machine::cross_core_skew),
        "more than declared",
        machine::cross_core_skew_undeclared,
    ),
    with_twin(
        scenario("F3", "counter-reset", "an error at once, then certain", machine::counter_reset),
        "back by less than since the last publication",
        machine::counter_back_by_little,
    ),
    with_twin(
        scenario(
            "F3",
            "counter-jumps",
            "disrupted within 10 s, then certain",
            machine::counter_jumps,
        ),
        "before it is seen",
        machine::counter_jumps_without_excuse,
    ),
    with_twin(
        scenario(
            "F3",
            "hardware-counter-parts",
            "disrupted within 105 ms (rate: 205), then certain",
            machine::hardware_counter_parts,
        ),
        "no second clock",
        machine::counter_parts_from_nothing,
    ),
    with_twin(
        scenario("F4", "process-stopped", CERTAIN, machine::process_stopped),
        "its counter too",
        machine::reader_and_counter_held_up,
    ),
    with_twin(
        scenario("F4", "reader-held-up", CERTAIN, machine::reader_held_up),
        "the machine too, and no marker tells",
        machine::reader_and_machine_held_up,
    ),
    with_twin(
        scenario("F4", "thread-held-up", CERTAIN, machine::thread_held_up),
        "the machine too",
        machine::thread_and_machine_held_up,
    ),
    with_twin(
        scenario("F4", "suspended", "disrupted within 105 ms, then certain", machine::suspended),
        "before it is seen",
        machine::suspended_without_excuse,
    ),
    with_twin(
        scenario("F4", "suspended-looked-for", CERTAIN, machine::suspended_and_looked_for),
        "looked for by the thread alone",
        machine::suspended_and_not_looked_for,
    ),
    with_twin(
        scenario(
            "F4",
            "suspended-before-a-commit",
            "never exposed",
            machine::suspended_before_a_commit,
        ),
        "paused, unseen",
        machine::paused_before_a_commit,
    ),
    with_twin(
        scenario(
            "F5",
            "machine-paused-unseen",
            "disrupted within 10 s, then certain",
            machine::machine_paused_unseen,
        ),
        "before it is seen",
        machine::machine_paused_without_excuse,
    ),
    with_twin(
        scenario("F5", "restored-with-a-marker", CERTAIN, machine::restored_with_a_marker),
        "no marker",
        machine::restored_without_a_marker,
    ),
    with_twin(
        scenario("F5", "moved-with-a-vm-clock", CERTAIN, machine::moved_with_a_vm_clock),
        "no device",
        machine::moved_without_a_vm_clock,
    ),
    with_twin(
        scenario("F5", "restored-behind", CERTAIN, recovery::restored_with_the_counter_behind),
        "nobody reports it",
        recovery::restored_behind_unreported,
    ),
    with_twin(
        scenario(
            "F5",
            "recovery-with-a-liar",
            "an answer within two polls; earliest never back",
            recovery::recovers_within_two_polls,
        ),
        "two of three lie",
        recovery::recovers_among_more_than_f,
    ),
    with_twin(
        scenario("F6", "network-misbehaves", CERTAIN, sources::network_misbehaves),
        "the path to all is forged",
        sources::path_forged,
    ),
    with_twin(
        scenario("F6", "never-synchronized", "an error", sources::never_synchronized),
        "two of three answer",
        sources::synchronized_by_two,
    ),
    with_twin(
        scenario(
            "F6",
            "names-with-dead-addresses",
            "a bound within 4 s of the first living address's turn",
            reachability::names_with_dead_addresses,
        ),
        "of two names all are dead",
        reachability::names_without_a_living_address,
    ),
    with_twin(
        scenario(
            "F6",
            "kisses-from-nobody",
            "answers when they are over",
            reachability::kisses_from_nobody,
        ),
        "they do not end",
        reachability::kisses_without_end,
    ),
    with_twin(
        scenario(
            "F8",
            "names-that-share-a-pool",
            "a host of its own each",
            reachability::names_that_share_a_pool,
        ),
        "a pool of one",
        reachability::names_that_share_a_host,
    ),
    scenario("F7", "some-in-the-wrong-century", CERTAIN, reachability::some_in_the_wrong_century),
    with_twin(
        scenario(
            "F7",
            "most-in-the-wrong-century",
            "never believed; answers when it is over",
            reachability::most_in_the_wrong_century,
        ),
        "by a day",
        reachability::most_wrong_by_hours,
    ),
    with_twin(
        scenario("F7", "liars", CERTAIN, sources::liars),
        "f+1 collude",
        sources::more_than_f_collude,
    ),
    with_twin(
        scenario("F7", "liars-at-the-edge", CERTAIN, sources::liars_at_the_edge),
        "two of three",
        sources::two_liars_at_the_edge,
    ),
    scenario("F7", "liars-rotate", CERTAIN, sources::liars_rotate),
    with_twin(
        scenario("F7", "liars-relay", CERTAIN, sources::liars_relay),
        "too soon",
        sources::liars_relay_too_soon,
    ),
    with_twin(
        scenario(
            "F7",
            "f+1-apart-are-seen",
            "disrupted within 10 s, for good",
            sources::more_than_f_apart_are_seen,
        ),
        "nobody lies",
        sources::nobody_apart_is_not_seen,
    ),
    with_twin(
        scenario(
            "F7",
            "recovery-after-f+1",
            "disrupted within 10 s, then certain",
            sources::recovery_after_more_than_f,
        ),
        "nobody is excused",
        sources::more_than_f_for_a_time,
    ),
    with_twin(
        scenario("F8", "sources-come-and-go", CERTAIN, sources::sources_come_and_go),
        "f+1 that come back lie",
        sources::liars_come_back,
    ),
    with_twin(
        scenario(
            "F8",
            "cut-off",
            "stale after max_age, never wrong; after goes on",
            sources::cut_off,
        ),
        "asked before that",
        sources::cut_off_for_less,
    ),
    with_twin(
        scenario("F8", "domain-with-a-liar", CERTAIN, sources::domain_with_a_liar),
        "trusted whole",
        sources::domain_with_a_liar_trusted_whole,
    ),
    with_twin(
        scenario("F8", "two-names-for-one-host", CERTAIN, sources::two_names_for_one_host),
        "two addresses",
        sources::two_addresses_for_one_host,
    ),
    with_twin(
        scenario("F9", "leap-second", "certain, and always an answer", sources::leap_second),
        "nobody announces it",
        sources::leap_second_unannounced,
    ),
    scenario("F9", "leap-second-among-liars", CERTAIN, sources::leap_second_among_liars),
    scenario(
        "F9",
        "leap-second-false",
        "certain, and an answer, 1 s wider at most",
        sources::leap_second_false,
    ),
    with_twin(
        scenario(
            "F9",
            "leap-second-on-no-such-day",
            "certain, and not wider",
            reachability::leap_second_on_an_ordinary_day,
        ),
        "f+1 announce it",
        reachability::leap_second_announced_by_most,
    ),
    with_twin(
        scenario(
            "F9",
            "leap-second-known-to-the-user",
            CERTAIN,
            sources::leap_second_known_to_the_user,
        ),
        "nor to the user",
        sources::leap_second_unannounced,
    ),
    with_twin(
        scenario(
            "F9",
            "leap-second-unannounced",
            "disrupted within 40 s, then certain",
            sources::leap_second_unannounced_is_seen,
        ),
        "nobody is excused",
        sources::leap_second_unannounced,
    ),
    with_twin(
        scenario("F9", "smears", CERTAIN, sources::smears),
        "most of them smear",
        sources::most_smear,
    ),
    with_twin(
        scenario(
            "F10",
            "publication-during-a-reading",
            CERTAIN,
            machine::publication_during_a_reading,
        ),
        "an interval used a second later",
        machine::an_interval_used_after_a_pause,
    ),
    with_twin(
        scenario("F11", "edges-of-time", CERTAIN, machine::edges_of_time),
        "beyond the era of the build",
        machine::beyond_the_era,
    ),
    with_twin(
        scenario("F12", "commits", CERTAIN, sources::commits),
        "exposed without a wait",
        sources::commits_without_a_wait,
    ),
    with_twin(
        scenario(
            "F12",
            "commit-in-the-future",
            "refused or waited for",
            sources::commit_far_in_the_future,
        ),
        "exposed without a wait",
        sources::commit_in_the_future_without_a_wait,
    ),
    with_twin(
        scenario("F15", "coarse-counter", CERTAIN, machine::coarse_counter),
        "coarser than declared",
        machine::coarse_counter_undeclared,
    ),
    with_twin(
        scenario(
            "F15",
            "clock-source-changes",
            "disrupted within 105 ms, until it is back",
            machine::clock_source_changes,
        ),
        "of a clock that does not use it",
        machine::clock_source_of_others_changes,
    ),
    with_twin(
        scenario("all", "anything", CERTAIN, sources::anything),
        "and f+1 liars",
        sources::anything_and_more_than_f,
    ),
    with_twin(
        scenario(
            "-",
            "usefulness",
            "99 % answers, width 1.05 of an oracle's",
            oracle::as_narrow_as_the_facts_allow,
        ),
        "an oracle of half the drift",
        oracle::narrower_than_the_facts_allow,
    ),
];

/// The result of many worlds of one scenario.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) worlds: u64,
    pub(crate) violated: u64,
    /// The violation of the lowest seed.
    pub(crate) first: Option<Box<Violation>>,
    pub(crate) tally: Tally,
}

impl Report {
    pub(crate) fn add(&mut self, other: Report) {
        self.worlds += other.worlds;
        self.violated += other.violated;
        self.tally.add(&other.tally);
        let seed =
            |violation: &Option<Box<Violation>>| violation.as_ref().map_or(u64::MAX, |v| v.seed);
        if seed(&other.first) < seed(&self.first) {
            self.first = other.first;
        }
    }
}

/// How the worlds of a scenario are run.
pub(crate) struct Plan {
    pub(crate) seeds: Range<u64>,
    /// Threads.
    pub(crate) jobs: usize,
    /// End at the first violation.
    pub(crate) fail_fast: bool,
    /// Readings of each clock in each run of a run.
    pub(crate) readings: u64,
}

/// Plays one world.
pub(crate) fn run_one(steps: Steps, seed: u64, readings: u64, report: &mut Report) {
    let mut run = Run::new(seed, readings);
    let checked = steps(&mut run);
    report.worlds += 1;
    report.tally.add(&run.tally);
    if let Err(violation) = checked {
        report.violated += 1;
        if report.first.as_ref().is_none_or(|first| seed < first.seed) {
            report.first = Some(violation);
        }
    }
}

/// Plays the worlds of a plan; `done` counts them.
pub(crate) fn run_all(steps: Steps, plan: &Plan, done: &AtomicU64) -> Report {
    let (next, stop) = (AtomicU64::new(plan.seeds.start), AtomicBool::new(false));
    let total = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                let mut report = Report::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= plan.seeds.end || stop.load(Ordering::Relaxed) {
                        break;
                    }
                    run_one(steps, seed, plan.readings, &mut report);
                    done.fetch_add(1, Ordering::Relaxed);
                    if plan.fail_fast && report.violated > 0 {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                total.lock().expect("no scenario panics").add(report);
            });
        }
    });
    total.into_inner().expect("no scenario panics")
}
