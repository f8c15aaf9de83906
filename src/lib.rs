//! What time is it, *with certainty*: an interval that contains true time, or an error.
//!
//! A clock asks NTP servers, some of which may lie, and answers [`now`](SureClock::now) with a
//! [`TimeInterval`]. On it stand [commit timestamps](SureClock::commit_timestamp), a [commit
//! wait](CommitWait) and an [order](TimeInterval::order) of timestamps that says *cannot know*
//! where it cannot. No daemon, no root, no clock is set; the operating system's clock may be
//! stepped by anyone at any time.
//!
//! # Guarantees
//!
//! Under the assumptions below:
//!
//! - true time was inside every interval at some moment between call and return (`now`), or at the
//!   reading (`at`);
//! - within an epoch `earliest` never goes back, so [`after`](SureClock::after) once true stays
//!   true (between two cores whose counters differ, to within the difference that the status shows
//!   as the counter's margin);
//! - if a transaction began after another was seen committed, on any two machines, its timestamp is
//!   the larger one, given that both took [`commit_timestamp`](SureClock::commit_timestamp) after
//!   the request arrived and waited;
//! - every arithmetic step is in integers and rounded outward; a bound that does not fit is an
//!   error.
//!
//! Each assumption has a default:
//!
//! - **(R) rate**: the local oscillator is within 200 ppm ([`Drift`]); for what the nominal rate of
//!   the counter may be wrong the library adds its own share (100 ppm for CLOCK_MONOTONIC_RAW and
//!   the performance counter of Windows, the same and what its calibration leaves open for the
//!   hardware counter, 10.05 % for other monotonic clocks).
//! - **(W) wander**: where the rate is learned, which is the default, it stays within 2 ppm of its
//!   mean over the past for an hour and 25 minutes ([`Drift`]); [`Drift::fixed_ppm`] does without.
//! - **(C) continuity**: the counter ran on through all that an answer rests on: the last window,
//!   and the four before it where a rate is learned of them.
//! - **(S) sources**: at most f failure domains supplied a wrong fact within one window (1024 s), f
//!   = floor((N-1)/2) of N.
//!
//! # Not guaranteed
//!
//! 1. Plain NTP can be forged by anyone on the path to the servers. Strictly, all servers behind
//!    one unauthenticated path are one failure domain.
//! 2. A suspended machine is noticed, where its system tells of it (*Platforms*), up to
//!    `check_interval` (100 ms of running time) late, at once with [`Builder::suspend_check`]. A
//!    hardware counter that jumps or changes its rate is noticed as soon where CLOCK_MONOTONIC_RAW
//!    is another clock; where the kernel makes that clock out of the counter itself (the usual
//!    case), only when the kernel's watchdog gives the counter up, or at the next exchange that
//!    contradicts what was published. A virtual machine that is moved to another host or restored:
//!    at once, where there is a VM clock device ([`Builder::vm_clock`]). A suspend shorter than the
//!    platform measures, a move without such a device, a pause of a virtual machine whose counter
//!    stands still: only at the next exchange that contradicts what was published. Until then an
//!    interval may be off: behind true time, and where a rate is learned for longer, since the
//!    pause is taken for a part of the rate as long as it is in its base; and a pause smaller than
//!    the uncertainty may never be noticed. Pauses that come again and again, each unnoticed, are
//!    learned as a rate, and when they stop `earliest` runs ahead: machines that are paused on
//!    schedule take [`Drift::fixed_ppm`]. Only a fence at the resource makes that harmless.
//! 3. Beyond f liars, or with an oscillator beyond (R) or (W), nothing is promised. What
//!    contradicts itself is an error.
//! 4. A server that smears leap seconds unannounced looks like one of UTC. Known ones are in a
//!    table ([`Timescale::known_for`]). Around a leap second that was announced to this clock more
//!    than two seconds before, or that you have announced ([`Builder::leap_second`]), the interval
//!    is a second wider until the next answers after it, two if both kinds are announced. One
//!    source is believed for the end of June and of December; for any other day more than f domains
//!    have to announce it. Around any other leap second the interval is wrong until the next
//!    answers show it, which is a disruption. One liar can widen those two midnights a year, or, by
//!    an announcement within two seconds of them, disrupt the clock there.
//! 5. A pause between an answer and its use cannot be detected by anyone. What `now` said was true
//!    when it was said.
//! 6. A raw `clone` system call that goes past the C library's `fork` makes a child that does not
//!    know it has no clock.
//!
//! # Platforms
//!
//! | platform | counter of [`CounterChoice::Auto`] | error of its nominal rate | what a sleep does |
//! |---|---|---|---|
//! | Linux on x86-64, aarch64 | the hardware counter where it can be trusted, else CLOCK_MONOTONIC_RAW | 100 ppm, and what its calibration leaves open | a disruption |
//! | other Linux, Android | CLOCK_MONOTONIC_RAW | 100 ppm | a disruption |
//! | macOS, iOS | CLOCK_MONOTONIC_RAW, which goes on in a sleep | 100 ppm | a disruption |
//! | Windows | QueryPerformanceCounter, which goes on in a sleep | 100 ppm | a disruption |
//! | other Unix | [`Instant`](std::time::Instant), which may be slewed | 10.05 % | nobody tells: the next exchanges do |
//! | WebAssembly | none, or what WASI has | | |
//!
//! All tests run on Linux on x86-64. The README says what was checked elsewhere.
//!
//! On wasm32-unknown-unknown there are values, arithmetic, [`ntp`] packets, leases,
//! [`fence::admit`], [`causality`], [`register`], [`request`], [`HybridClock`] and
//! [`SureClock::manual`]. What is not there: a clock over sources
//! ([`BuildError::CounterUnavailable`]), random numbers (what draws them is an error that says so),
//! files. What blocks or reads the system's clock panics, as `std` does:
//! [`wall_time`](SureClock::wall_time) and the blocking waits; a commit wait is a future there.
//!
//! # Five lines
//!
//! ```no_run
//! use std::time::Duration;
//! use sureclock::SureClock;
//!
//! let clock = SureClock::builder().ntp("a.example").ntp("b.example").ntp("c.example").start()?;
//! clock.wait_synchronized(Duration::from_secs(10))?;
//! println!("{}", clock.now()?); // 2026-11-23T11:03:00.123456789Z ± 1.204 ms
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Commit
//!
//! ```
//! # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
//! # let (clock, time) = sureclock::SureClock::manual(interval);
//! use sureclock::Past;
//!
//! fn reply(answer: Past<&str>) {
//!     println!("{} at {}", answer.get(), answer.timestamp());
//! }
//!
//! let s = clock.commit_timestamp()?; // after the request has arrived
//! // .. write at s ..
//! # time.advance(std::time::Duration::from_millis(3));
//! reply(clock.commit_wait(s).guard("done").wait()?); // forgetting the wait does not compile
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The guide
//!
//! New to clocks that differ? [`guide`] begins at the beginning: what a clock can know, when
//! [`after`](SureClock::after) may be trusted, why a lease is not enough, what silence means, how
//! to choose servers and settings, what each state means, how to migrate.
//!
//! # Writes, stamps, requests
//!
//! A [`register::Register`] keeps both of two writes whose order nobody can know; a [`HybridClock`]
//! gives 64-bit stamps that do not lead true time by more than is declared, and where a machine
//! lies by no more than an honest one thinks possible; a [`request::Outcome`] may be unknown, and
//! [`request::Answers`] is the way out.
//!
//! # Leases and fences
//!
//! A [`Lease`] knows its error: held, over, or nobody can know. A leader that is paused between the
//! look and the write does not hear of its end; a [`fence`] at the resource keeps its write out. A
//! message that is [sealed](SureClock::seal) audits both clocks ([`causality`]).
//!
//! # Features
//!
//! None is on by default, and none changes a result: `cli` (the command), `serde`, `jiff`,
//! `tracing`, `rsntp` (a source through that crate, under a further assumption), `sim` (a simulated
//! world in which true time is known, for tests of your own).

mod bound;
mod builder;
pub mod causality;
mod clock;
mod commit;
mod contain;
mod counter;
pub mod fence;
#[cfg(any(doc, doctest))]
pub mod guide;
mod hybrid;
mod leadership;
mod lease;
mod os_error;
mod own_loop;
mod publish;
mod random;
pub mod register;
pub mod request;
mod resource;
#[cfg(feature = "sim")]
pub mod sim;
mod source;
mod sync;
mod testing;
mod time;

pub use bound::{AtError, DisruptionReason, Facts, FactsError, LeapAnnouncement, NowError};
pub use builder::{BuildError, Builder, Domain};
pub use clock::SureClock;
pub use commit::{
    CommitError, CommitTimestamp, CommitWait, Deadline, GuardedWait, HighWaterMark, MarkFileError,
    MarkPart, MarkReset, NotPlain, Past, Unconfirmed, WaitError,
};
pub use counter::{CounterChoice, ExpectedDisruption, VmClockChoice, VmClockError, VmClockStatus};
pub use hybrid::{AheadOfTime, HybridClock, ReceiveError, StampError};
pub use leadership::{Acquired, Leadership, LeadershipError, LeaseStore};
pub use lease::{
    Guarded, HolderId, Lease, LeaseClock, LeaseError, LeaseForm, LeaseGrant, LeaseGrantor,
    LeaseRefused, LeaseRelease, LeaseRequest, LeaseState,
};
pub use os_error::OsError;
pub use own_loop::OwnLoop;
pub use resource::{InvalidResourceName, ResourceName};
pub use source::{ExchangeContext, Source, SourceError, ntp};
pub use sync::{Ask, AskId, Counts, LearnedRate, Problem, SourceStatus, State, Status, Verdict};
pub use testing::{ManualTime, SetTimeError};
pub use time::{
    ConvertError, CounterId, Drift, Elapsed, HybridTimestamp, InvertedInterval, MonotonicTime,
    Order, ParseTimeError, TimeInterval, Timescale, TimescaleMismatch, Timestamp, WallError,
    WallTime,
};
