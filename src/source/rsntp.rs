//! The rsntp adapter: facts from a client that measures against the OS clock.
//!
//! rsntp hands over the offset θ and the delay δ as floating point seconds, not the four stamps,
//! and not what the server says of its own error. With T1, T4 by the OS clock, θ + δ/2 = T2 - T1
//! and θ - δ/2 = T3 - T4, so on the assumption that the OS clock is neither stepped nor slewed by
//! more than 1000 ppm from the reading w1 before the call to the reading w4 after it:
//!
//! - upper fact `t(c1) <= w1 + θ + δ/2 + B + s`, c1 read before w1
//! - lower fact `t(c4) >= w4 + θ - δ/2 - B - s`, c4 read after w4
//!
//! where B is the server's root bound, stated by the user, and s is 1000 ppm of w4 - w1. The
//! assumption is what the rest of the library does without: this source is not protected against
//! steps of the OS clock (fault F1).

use super::{ExchangeContext, Source, SourceError};
use crate::bound::{Facts, LeapAnnouncement};
use crate::counter::read_wall;
use crate::time::Timestamp;
use ::rsntp::{
    Config, LeapIndicator, ProtocolError, SntpClient, SntpDuration, SynchronizationError,
};
use std::time::{Duration, Instant};

/// One server asked through rsntp.
pub(crate) struct RsntpSource {
    host: String,
    root_bound: Duration,
}

impl RsntpSource {
    pub(crate) fn new(host: String, root_bound: Duration) -> RsntpSource {
        RsntpSource { host, root_bound }
    }
}

impl Source for RsntpSource {
    fn exchange(&mut self, context: &ExchangeContext) -> Result<Facts, SourceError> {
        let timeout = context.deadline().saturating_duration_since(Instant::now());
        // A socket's timeout of zero is an error of its own kind.
        let client = SntpClient::with_config(
            Config::default().timeout(timeout.max(Duration::from_millis(1))),
        );
        let before = context.reading();
        let wall_before = read_wall().assume_true();
        let answer = client.synchronize(self.host.as_str()).map_err(source_error)?;
        let wall_after = read_wall().assume_true();
        let after = context.reading();

        let (offset, offset_error) = to_ns(answer.clock_offset())?;
        let (delay, delay_error) = to_ns(answer.round_trip_delay())?;
        if delay < 0 {
            return Err(SourceError::Unusable);
        }
        let span = i128::from(wall_after.as_unix_nanos()) - i128::from(wall_before.as_unix_nanos());
        if span < 0 {
            // The OS clock was stepped back in between: the assumption is seen to be broken.
            return Err(SourceError::Unusable);
        }
        let root_bound =
            i128::try_from(self.root_bound.as_nanos()).map_err(|_| SourceError::Unusable)?;
        // Half the delay rounded up, a thousandth of the span rounded up, the stamps' own rounding
        // to 2^-32 s.
        let slack =
            (delay + 1) / 2 + root_bound + span / 1000 + 1 + offset_error + delay_error + STAMPS_NS;
        let point = |ns: i128| {
            i64::try_from(ns).map(Timestamp::from_unix_nanos).map_err(|_| SourceError::Unusable)
        };
        let upper = point(i128::from(wall_before.as_unix_nanos()) + offset + slack)?;
        let lower = point(i128::from(wall_after.as_unix_nanos()) + offset - slack)?;
        let leap = match answer.leap_indicator() {
            LeapIndicator::LastMinuteHas61Seconds => LeapAnnouncement::Insert,
            LeapIndicator::LastMinuteHas59Seconds => LeapAnnouncement::Delete,
            _ => LeapAnnouncement::None,
        };
        Ok(Facts::new(before, upper, after, lower)?
            .with_leap(leap)
            .with_quality(answer.stratum(), self.root_bound))
    }
}

/// Nanoseconds, and by how much they may be wrong: a nanosecond of rounding, and 2^-46 of the value
/// for the roundings of the floating point sums behind it (each 2^-53 of a term no larger than
/// offset and delay together).
fn to_ns(seconds: SntpDuration) -> Result<(i128, i128), SourceError> {
    let length = seconds.abs_as_std_duration().map_err(|_| SourceError::Unusable)?;
    let ns = i128::try_from(length.as_nanos()).map_err(|_| SourceError::Unusable)?;
    let signed = if seconds.signum() < 0 { -ns } else { ns };
    Ok((signed, (ns >> 46) + 2))
}

fn source_error(error: SynchronizationError) -> SourceError {
    match error {
        SynchronizationError::IOError(error) => match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => SourceError::Timeout,
            _ => SourceError::Io(error.into()),
        },
        SynchronizationError::ProtocolError(ProtocolError::KissODeath(
            ::rsntp::KissCode::RateExceeded,
        )) => SourceError::TooOften,
        SynchronizationError::ProtocolError(ProtocolError::KissODeath(_)) => SourceError::Denied,
        SynchronizationError::ProtocolError(ProtocolError::ServerNotSynchronized) => {
            SourceError::NotSynchronized
        }
        SynchronizationError::ProtocolError(_) => SourceError::Unusable,
    }
}

/// Four stamps, each rounded down to 2^-32 s (a quarter of a nanosecond).
const STAMPS_NS: i128 = 2;
