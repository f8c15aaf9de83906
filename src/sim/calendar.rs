//! What a timescale makes of true time around a leap second.

use super::moment::{Moment, NS_PER_S, UNITS_PER_NS};
use crate::bound::LeapAnnouncement;
use crate::time::Timescale;

/// The one leap second that a world may have. Moments count on through it; before it they are UTC.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calendar {
    pub(super) leap: Option<Leap>,
}

/// A leap second at the end of a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leap {
    /// The midnight that ends the day, by the count of before.
    pub(super) midnight: Moment,
    pub(super) inserted: bool,
    /// Whether honest servers announce it.
    pub(super) announced: bool,
}

impl Calendar {
    /// The readings that are right at `now` on `timescale`: one, or the span between the
    /// conventions during a leap second.
    pub(super) fn truth(&self, timescale: Timescale, now: Moment) -> (Moment, Moment) {
        let Some(leap) = self.leap else { return (now, now) };
        let smear = match timescale {
            Timescale::Utc => {
                return (leap.posix(now, false).min(leap.posix(now, true)), self.latest_posix(now));
            }
            // 12 h before midnight to 12 h after, evenly; from midnight on, with a rate that rises
            // and falls.
            Timescale::Smear24h => {
                leap.smeared(now, leap.midnight - seconds(43_200), 86_400, even_share)
            }
            Timescale::Smear62500s => leap.smeared(now, leap.midnight, 62_500, risen_share),
        };
        // Rounded down by less than three units.
        (smear, smear + Moment(3))
    }

    /// What a server of UTC reads that steps at the first moment it may, or at the last.
    pub(super) fn server_reads(&self, timescale: Timescale, now: Moment, late: bool) -> Moment {
        match (self.leap, timescale) {
            (Some(leap), Timescale::Utc) => leap.posix(now, late),
            _ => self.truth(timescale, now).0,
        }
    }

    /// What an honest server announces at `now`.
    pub(super) fn announcement(&self, now: Moment) -> LeapAnnouncement {
        match self.leap {
            Some(leap) if leap.announced && leap.is_of_this_day(now) => {
                if leap.inserted {
                    LeapAnnouncement::Insert
                } else {
                    LeapAnnouncement::Delete
                }
            }
            _ => LeapAnnouncement::None,
        }
    }

    fn latest_posix(&self, now: Moment) -> Moment {
        self.leap.map_or(now, |leap| leap.posix(now, false).max(leap.posix(now, true)))
    }
}

impl Leap {
    fn is_of_this_day(&self, now: Moment) -> bool {
        // Until the step of the first who may: a server that has stepped has nothing more to
        // announce.
        now >= self.midnight - seconds(86_400) && now < self.first_step()
    }

    /// The first moment at which a convention steps.
    fn first_step(&self) -> Moment {
        if self.inserted { self.midnight } else { self.midnight - seconds(1) }
    }

    fn posix(&self, now: Moment, late: bool) -> Moment {
        let step = if late { self.first_step() + seconds(1) } else { self.first_step() };
        let by = if self.inserted { Moment(-seconds(1).0) } else { seconds(1) };
        if now >= step { now + by } else { now }
    }

    /// `share` of the smear, in parts of 2^60, by the part of it that is over.
    fn smeared(
        &self,
        now: Moment,
        begin: Moment,
        length_s: i128,
        share: fn(i128) -> i128,
    ) -> Moment {
        let real_s = if self.inserted { length_s + 1 } else { length_s - 1 };
        let (over, whole) = ((now - begin).0.clamp(0, seconds(real_s).0), seconds(real_s).0);
        let by = seconds(length_s - real_s).0;
        now + Moment((by * share((over << 60) / whole)) >> 60)
    }
}

/// The rate is the same all along.
fn even_share(over_2_60: i128) -> i128 {
    over_2_60
}

/// The rate rises evenly for half of the time and falls for the other half: `2 x^2`, and from the
/// middle on `1 - 2 (1-x)^2`.
fn risen_share(over_2_60: i128) -> i128 {
    let one = 1i128 << 60;
    if over_2_60 * 2 <= one {
        (2 * over_2_60 * over_2_60) >> 60
    } else {
        one - ((2 * (one - over_2_60) * (one - over_2_60)) >> 60)
    }
}

pub(super) fn seconds(s: i128) -> Moment {
    Moment(s * NS_PER_S * UNITS_PER_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(inserted: bool) -> Calendar {
        Calendar { leap: Some(Leap { midnight: seconds(864_000), inserted, announced: true }) }
    }

    #[test]
    fn utc_is_ambiguous_during_the_leap_second_and_one_off_after() {
        let truth = |inserted, s| calendar(inserted).truth(Timescale::Utc, seconds(s));
        assert_eq!(truth(true, 863_999), (seconds(863_999), seconds(863_999)));
        assert_eq!(truth(true, 864_000), (seconds(863_999), seconds(864_000)));
        assert_eq!(truth(true, 864_001), (seconds(864_000), seconds(864_000)));
        assert_eq!(truth(false, 863_998), (seconds(863_998), seconds(863_998)));
        assert_eq!(truth(false, 863_999), (seconds(863_999), seconds(864_000)));
        assert_eq!(truth(false, 864_000), (seconds(864_001), seconds(864_001)));
    }

    #[test]
    fn a_smear_has_no_step_keeps_its_rate_and_ends_where_utc_is() {
        for (scale, inserted) in
            [Timescale::Smear24h, Timescale::Smear62500s].map(|s| [(s, true), (s, false)]).concat()
        {
            let c = calendar(inserted);
            let (mut last, mut steepest) = (c.truth(scale, seconds(800_000)).0, 0);
            for s in 800_001..930_000 {
                let now = c.truth(scale, seconds(s)).0;
                let step = ((now - last).0 - seconds(1).0).abs() * 1_000_000_000;
                assert!(step <= i128::from(scale.rate_ppb()) * seconds(1).0, "{scale} at {s}");
                (last, steepest) = (now, steepest.max(step / seconds(1).0));
            }
            assert!(
                steepest * 1001 / 1000 + 10 >= i128::from(scale.rate_ppb()),
                "{scale} reaches its rate: {steepest}"
            );
            let end = c.truth(Timescale::Utc, seconds(929_999)).0;
            assert!((last - end).0.abs() <= 3, "{scale}");
        }
    }

    #[test]
    fn it_is_announced_on_its_day_only() {
        let c = calendar(true);
        let at = |s| c.announcement(seconds(s));
        assert_eq!(at(864_000 - 86_401), LeapAnnouncement::None);
        assert_eq!(at(864_000 - 1), LeapAnnouncement::Insert);
        assert_eq!(at(864_000), LeapAnnouncement::None);
    }
}
