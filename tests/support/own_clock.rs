//! A clock with a loop of the test's own, which is given the time of the OS clock.
//!
//! It follows a smeared timescale, where no leap second steps. Near the end of a month a UTC clock
//! refuses answers that may be a second off, and no test may depend on the day on which it runs.

use std::time::Duration;
use sureclock::{BuildError, Builder, Drift, Facts, OwnLoop, SureClock, Timescale};

/// One source, whose word is enough.
pub(crate) fn builder() -> Builder {
    let builder = SureClock::builder().ntp("127.0.0.1:1").max_faulty(0);
    builder.drift(Drift::fixed_ppm(15)).timescale(Timescale::Smear24h)
}

/// A clock that has been given the OS clock's time once, to `half`.
pub(crate) fn start(builder: Builder, half: Duration) -> Result<(SureClock, OwnLoop), BuildError> {
    let (clock, own_loop) = builder.own_loop()?;
    answer(&clock, &own_loop, half);
    Ok((clock, own_loop))
}

/// Waits until a question is due, and answers it.
pub(crate) fn answer(clock: &SureClock, own_loop: &OwnLoop, half: Duration) {
    let ask = loop {
        match own_loop.next_ask() {
            Some(ask) => break ask,
            None => std::thread::sleep(own_loop.wake_after()),
        }
    };
    own_loop.answered(ask.id, facts(|| clock.monotonic(), half));
}

/// What the OS clock says, to `half`, between two readings.
pub(crate) fn facts(read: impl Fn() -> sureclock::MonotonicTime, half: Duration) -> Facts {
    let before = read();
    let os = SureClock::wall_time().assume_true();
    let after = read();
    let (latest, earliest) =
        os.checked_add(half).zip(os.checked_sub(half)).expect("before the year 2262");
    Facts::new(before, latest, after, earliest).expect("the readings are in order")
}
