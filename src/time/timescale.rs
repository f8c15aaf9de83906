//! `Timescale`: which count of seconds a source follows.

use super::ParseTimeError;
use std::fmt;
use std::str::FromStr;

/// The count of seconds that a source serves: UTC as POSIX counts it, or a named leap smear.
///
/// Two timescales differ by up to a second around a leap second, so they never meet in one
/// agreement and intervals of two timescales have no order. A clock follows one, fixed when it is
/// built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Timescale {
    /// UTC as POSIX counts it: a leap second is a step of one second.
    #[default]
    Utc,
    /// A leap second spread evenly over the 86 400 s from noon to noon UTC around it (Google, AWS):
    /// 11.6 ppm.
    #[cfg_attr(feature = "serde", serde(rename = "smear-24h"))]
    Smear24h,
    /// A leap second spread over 62 500 s from midnight on (Meta): the rate rises for half of the
    /// time and falls for the other half, to 32 ppm in the middle.
    #[cfg_attr(feature = "serde", serde(rename = "smear-62500s"))]
    Smear62500s,
}

impl Timescale {
    /// By how much a second of this timescale may differ from a second, in parts per billion,
    /// rounded up.
    ///
    /// 86 400 s carry 86 401: 1/86 399 = 11 574.2 ppb for a deletion. 62 500 s are what an even
    /// change of the rate by 1.024e-9 a second takes (`31 250^2 * 1.024e-9 = 1`), and its peak is
    /// 31 250 * 1.024e-9 = 32 000 ppb; an even spread would be half of that, so either shape is
    /// covered. Charged at all times, since a window, horizon or lease may touch a smear.
    pub(crate) const fn rate_ppb(self) -> u32 {
        match self {
            Timescale::Utc => 0,
            Timescale::Smear24h => 11_575,
            Timescale::Smear62500s => 32_002,
        }
    }

    /// The timescale that `host` is known to serve, or `None` if nothing is known of it.
    ///
    /// The table holds names whose operators document a smear. A name that is not in it may smear
    /// all the same: ask its operator.
    #[must_use]
    pub fn known_for(host: &str) -> Option<Timescale> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is = |domain: &str| {
            host == domain || host.strip_suffix(domain).is_some_and(|head| head.ends_with('.'))
        };
        SMEARED.iter().find(|(domain, _)| is(domain)).map(|&(_, scale)| scale)
    }

    /// The name that is printed and parsed: `utc`, `smear-24h`, `smear-62500s`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Timescale::Utc => "utc",
            Timescale::Smear24h => "smear-24h",
            Timescale::Smear62500s => "smear-62500s",
        }
    }
}

impl fmt::Display for Timescale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Timescale {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Timescale, ParseTimeError> {
        [Timescale::Utc, Timescale::Smear24h, Timescale::Smear62500s]
            .into_iter()
            .find(|scale| scale.name() == text)
            .ok_or(ParseTimeError::Timescale)
    }
}

/// Hosts (with everything below them) whose operators document that they smear.
///
/// Missing a row: that operator's servers are taken for UTC and disagree by up to a second around a
/// leap second. A row too many: a server of UTC is refused until the user names its timescale.
const SMEARED: [(&str, Timescale); 17] = [
    ("time.google.com", Timescale::Smear24h),
    ("time1.google.com", Timescale::Smear24h),
    ("time2.google.com", Timescale::Smear24h),
    ("time3.google.com", Timescale::Smear24h),
    ("time4.google.com", Timescale::Smear24h),
    ("time.android.com", Timescale::Smear24h),
    ("metadata.google.internal", Timescale::Smear24h),
    ("time.aws.com", Timescale::Smear24h),
    ("amazon.pool.ntp.org", Timescale::Smear24h),
    ("169.254.169.123", Timescale::Smear24h),
    ("fd00:ec2::123", Timescale::Smear24h),
    ("time.facebook.com", Timescale::Smear62500s),
    ("time1.facebook.com", Timescale::Smear62500s),
    ("time2.facebook.com", Timescale::Smear62500s),
    ("time3.facebook.com", Timescale::Smear62500s),
    ("time4.facebook.com", Timescale::Smear62500s),
    ("time5.facebook.com", Timescale::Smear62500s),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_known_to_smear_are_known_with_their_subdomains_only() {
        assert_eq!(Timescale::known_for("time.google.com"), Some(Timescale::Smear24h));
        assert_eq!(Timescale::known_for("TIME1.google.com."), Some(Timescale::Smear24h));
        assert_eq!(Timescale::known_for("time1.facebook.com"), Some(Timescale::Smear62500s));
        assert_eq!(Timescale::known_for("x.time.facebook.com"), Some(Timescale::Smear62500s));
        assert_eq!(Timescale::known_for("nottime.google.com"), None);
        assert_eq!(Timescale::known_for("time.example.org"), None);
    }

    #[test]
    fn a_smear_is_charged_at_no_less_than_its_rate() {
        assert!(u128::from(Timescale::Smear24h.rate_ppb()) * 86_399 >= 1_000_000_000);
        // Twice an even spread at the peak, in a deletion's 62 499 s.
        assert!(u128::from(Timescale::Smear62500s.rate_ppb()) * 62_499 >= 2 * 1_000_000_000);
    }

    #[test]
    fn names_parse_back() {
        for scale in [Timescale::Utc, Timescale::Smear24h, Timescale::Smear62500s] {
            assert_eq!(scale.name().parse::<Timescale>(), Ok(scale));
        }
        assert!("UTC ".parse::<Timescale>().is_err());
    }
}
