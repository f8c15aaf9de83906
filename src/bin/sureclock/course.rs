//! What was seen of a clock over time: its interval and each source's, beside the OS clock. Kept in
//! bounded memory.

use std::time::Duration;
use sureclock::{State, Status, SureClock, TimeInterval, Timestamp};

/// An interval as two offsets from the OS clock, in seconds: how far the OS clock would have to be
/// moved at least, and at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Offsets {
    pub(crate) earliest: f64,
    pub(crate) latest: f64,
}

impl Offsets {
    pub(crate) fn of(interval: &TimeInterval, os: Timestamp) -> Offsets {
        let seconds = |end: Timestamp| {
            (i128::from(end.as_unix_nanos()) - i128::from(os.as_unix_nanos())) as f64 * 1e-9
        };
        Offsets { earliest: seconds(interval.earliest()), latest: seconds(interval.latest()) }
    }

    /// Half of the width.
    pub(crate) fn uncertainty(self) -> f64 {
        (self.latest - self.earliest) / 2.0
    }
}

/// The status, and the OS clock at that moment: the closest of some looks, since a thread may be
/// held up between the two.
pub(crate) fn sample(clock: &SureClock) -> (Status, Timestamp) {
    let os = || SureClock::wall_time().assume_true();
    let take = || {
        let (before, status, after) = (os(), clock.status(), os());
        let apart = after.checked_duration_since(before).unwrap_or(Duration::MAX);
        (apart, status, before.checked_add(apart / 2).unwrap_or(after))
    };
    let samples = (0..SAMPLES).map(|_| take());
    let (_, status, os) = samples.min_by_key(|(apart, ..)| *apart).expect("more than none");
    (status, os)
}

/// One look at a clock.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Seconds since the first look.
    pub(crate) at: f64,
    pub(crate) agreed: Option<Offsets>,
    /// In the order of the sources.
    pub(crate) sources: Vec<Option<Offsets>>,
}

/// All looks, or evenly spread ones of them.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) names: Vec<String>,
    pub(crate) samples: Vec<Sample>,
    /// Every so manieth look is kept.
    stride: u64,
    looks: u64,
}

impl Course {
    pub(crate) fn new(names: Vec<String>) -> Course {
        Course { names, samples: Vec::new(), stride: 1, looks: 0 }
    }

    /// Takes a look in; `os` is what the OS clock showed at it.
    pub(crate) fn add(&mut self, at: Duration, status: &Status, os: Timestamp) {
        let offsets = |interval: &Option<TimeInterval>| {
            interval.as_ref().map(|interval| Offsets::of(interval, os))
        };
        let answers =
            matches!(status.state, State::Synchronized | State::Degraded | State::Holdover);
        self.push(Sample {
            at: at.as_secs_f64(),
            agreed: offsets(&status.interval).filter(|_| answers),
            sources: status.sources.iter().map(|source| offsets(&source.interval)).collect(),
        });
    }

    fn push(&mut self, sample: Sample) {
        if self.looks % self.stride == 0 {
            if self.samples.len() == MOST_SAMPLES {
                let mut number = 0;
                self.samples.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.stride *= 2;
            }
            self.samples.push(sample);
        }
        self.looks += 1;
    }

    /// Seconds from the first look to the last.
    pub(crate) fn length(&self) -> f64 {
        self.samples.last().map_or(0.0, |last| last.at)
    }

    /// The uncertainties, smallest first.
    pub(crate) fn uncertainties(&self) -> Vec<f64> {
        let mut all: Vec<f64> =
            self.samples.iter().filter_map(|s| s.agreed).map(Offsets::uncertainty).collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

/// Tries to read two clocks at one moment.
const SAMPLES: u32 = 3;
/// Fewer: a coarse picture. More: megabytes of it.
const MOST_SAMPLES: usize = 4096;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sawtooth of ten seconds, with one source apart.
    pub(crate) fn sawtooth() -> Course {
        let mut course = Course::new(vec!["a".into(), "b".into(), "liar".into()]);
        for look in 0..100u32 {
            let grown = f64::from(look % 16) * 1e-5;
            let around = |middle: f64, half: f64| {
                Some(Offsets { earliest: middle - half, latest: middle + half })
            };
            course.push(Sample {
                at: f64::from(look) / 10.0,
                agreed: if look < 3 { None } else { around(2e-4, 1e-3 + grown) },
                sources: vec![around(2e-4, 1.2e-3), around(1e-4, 1.5e-3), around(0.5, 1e-3)],
            });
        }
        course
    }

    #[test]
    fn memory_is_bounded_and_the_whole_course_is_kept() {
        let mut course = Course::new(vec![]);
        for look in 0..100_000u32 {
            course.push(Sample { at: f64::from(look), agreed: None, sources: vec![] });
        }
        assert!((MOST_SAMPLES / 2..=MOST_SAMPLES).contains(&course.samples.len()));
        assert!(course.length() > 99_000.0);
        let steps: Vec<f64> = course.samples.windows(2).map(|two| two[1].at - two[0].at).collect();
        assert!(steps.iter().all(|step| *step == steps[0]), "evenly");
    }

    #[test]
    fn offsets_are_from_the_os_clock_to_the_interval() {
        let interval: TimeInterval = "2026-11-26T00:00:01Z ± 1 ms".parse().unwrap();
        let offsets = Offsets::of(&interval, "2026-11-26T00:00:00Z".parse().unwrap());
        assert!((offsets.earliest - 0.999).abs() < 1e-9 && (offsets.latest - 1.001).abs() < 1e-9);
        assert!((offsets.uncertainty() - 0.001).abs() < 1e-9);
    }
}
