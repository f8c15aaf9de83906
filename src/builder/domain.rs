//! `Domain`: sources that can be wrong together; and how sources become failure domains.

use super::server_name::{is_loopback, parse_server};
use super::{BuildError, Configured};
use crate::source::Source;
use crate::sync::{DomainSetup, Kind, SourceSetup};
#[cfg(feature = "rsntp")]
use std::time::Duration;

/// A failure domain that is being filled: sources that can be wrong together, and so count once.
/// See [`Builder::domain`](crate::Builder::domain).
#[derive(Debug, Default)]
#[must_use = "the closure hands it back to the builder"]
pub struct Domain {
    sources: Vec<Configured>,
    trusted_whole: bool,
}

impl Domain {
    /// Adds an NTP server to the domain, as [`Builder::ntp`](crate::Builder::ntp) does to the
    /// clock.
    pub fn ntp(mut self, server: impl Into<String>) -> Domain {
        self.sources.push(Configured::ntp(server.into()));
        self
    }

    /// Adds a source of your own to the domain, as [`Builder::source`](crate::Builder::source) does
    /// to the clock.
    pub fn source(mut self, name: impl Into<String>, source: impl Source + 'static) -> Domain {
        self.sources.push(Configured::custom(name.into(), Box::new(source)));
        self
    }

    /// Adds an NTP server that is asked through the rsntp crate to the domain, under the assumption
    /// of
    /// [`Builder::rsntp_assuming_steady_os_clock`](crate::Builder::rsntp_assuming_steady_os_clock).
    #[cfg(feature = "rsntp")]
    pub fn rsntp_assuming_steady_os_clock(
        self,
        host: impl Into<String>,
        root_bound: Duration,
    ) -> Domain {
        let host = host.into();
        let source = crate::source::RsntpSource::new(host.clone(), root_bound);
        self.source(host, source)
    }

    /// Trusts the domain whole: its bound is the intersection of its members instead of their hull.
    /// Narrower, and wrong if a single member is.
    pub fn trusted_whole(mut self) -> Domain {
        self.trusted_whole = true;
        self
    }

    pub(super) fn into_parts(self) -> (Vec<Configured>, bool) {
        (self.sources, self.trusted_whole)
    }
}

/// A domain that was given a name, and the places of its members among all sources.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) members: std::ops::Range<usize>,
    pub(super) trusted_whole: bool,
}

/// The failure domains of these sources, in the order of their first members: named ones, and one
/// for each host that is in none.
///
/// # Errors
///
/// A domain that is empty or given twice; a host that is in two.
pub(super) fn grouped(
    sources: &[Configured],
    named: &[Named],
) -> Result<(Vec<SourceSetup>, Vec<DomainSetup>), BuildError> {
    for (at, domain) in named.iter().enumerate() {
        if domain.members.is_empty() {
            return Err(BuildError::EmptyDomain { domain: domain.name.clone() });
        }
        if named[..at].iter().any(|before| before.name == domain.name) {
            return Err(BuildError::DomainGivenTwice { domain: domain.name.clone() });
        }
    }
    let (mut domains, mut setups) = (Vec::new(), Vec::new());
    // What each domain is known by: its place among the named ones, or its host.
    let mut keys: Vec<(Option<usize>, String)> = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let (of, host) =
            (named.iter().position(|domain| domain.members.contains(&at)), host_of(source));
        let known = match of {
            Some(_) => keys.iter().position(|key| key.0 == of),
            None => keys.iter().position(|key| *key == (None, host.clone())),
        };
        let domain = known.unwrap_or_else(|| {
            let name = of.map_or(&source.name, |of| &named[of].name).clone();
            domains.push(DomainSetup {
                name,
                trusted_whole: of.is_some_and(|of| named[of].trusted_whole),
            });
            keys.push((of, host.clone()));
            domains.len() - 1
        });
        setups.push(SourceSetup { name: source.name.clone(), domain });
    }
    for (a, one) in sources.iter().enumerate() {
        for (b, other) in sources[..a].iter().enumerate() {
            if host_of(one) == host_of(other) && setups[a].domain != setups[b].domain {
                let domains =
                    [setups[b].domain, setups[a].domain].map(|domain| domains[domain].name.clone());
                return Err(BuildError::HostInTwoDomains { host: one.name.clone(), domains });
            }
        }
    }
    Ok((setups, domains))
}

/// What two sources have in common that are one host, as far as their names tell. All loopback
/// addresses are this host, whose servers differ by port.
fn host_of(source: &Configured) -> String {
    let Some((host, server)) = parse_server(&source.name) else { return source.name.clone() };
    // An IPv4 address in the form of IPv6 is that IPv4 address.
    let host = host.parse::<std::net::IpAddr>().map_or(host, |ip| ip.to_canonical().to_string());
    if matches!(source.kind, Kind::Custom(_)) || !is_loopback(&host) {
        return host.trim_end_matches('.').to_ascii_lowercase();
    }
    let port = server.rsplit_once(':').map_or("", |(_, port)| port);
    format!("loopback:{port}")
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::super::Builder;
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    /// Domain names, whether they are trusted whole, and their members.
    type Meaning = BTreeMap<String, (bool, BTreeSet<String>)>;

    fn meaning(builder: &Builder) -> Result<Meaning, BuildError> {
        let (sources, domains) = grouped(&builder.sources, &builder.domains)?;
        let mut meaning: Meaning = domains
            .iter()
            .map(|domain| (domain.name.clone(), (domain.trusted_whole, BTreeSet::new())))
            .collect();
        for source in sources {
            meaning.get_mut(&domains[source.domain].name).unwrap().1.insert(source.name);
        }
        Ok(meaning)
    }

    fn of(parts: &[(&str, bool, &[&str])]) -> Meaning {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        parts
            .iter()
            .map(|(name, trusted, members)| ((*name).to_owned(), (*trusted, set(members))))
            .collect()
    }

    #[test]
    fn found_a_domain_groups_what_is_in_its_closure_and_nothing_else() {
        let builder = Builder::new()
            .domain("one", |d| d.ntp("a.one.example").ntp("b.one.example"))
            .ntp("c.example")
            .domain("two", |d| d.trusted_whole().ntp("a.two.example"));
        let expected = of(&[
            ("one", false, &["a.one.example", "b.one.example"]),
            ("c.example", false, &["c.example"]),
            ("two", true, &["a.two.example"]),
        ]);
        assert_eq!(meaning(&builder), Ok(expected));
    }

    #[test]
    fn found_what_names_one_host_is_one_domain() {
        let domains = |names: &[&str]| {
            let builder = names.iter().fold(Builder::new(), |builder, name| builder.ntp(*name));
            grouped(&builder.sources, &builder.domains).unwrap().1.len()
        };
        assert_eq!(
            domains(&[
                "localhost",
                "127.0.0.1",
                "[::1]",
                "127.0.0.2:123",
                "[::ffff:127.0.0.1]:123"
            ]),
            1
        );
        assert_eq!(
            domains(&["127.0.0.1:1001", "127.0.0.1:1002"]),
            2,
            "two ports of this host are two servers"
        );
        assert_eq!(domains(&["a.example", "A.example.", "a.example:123", "a.example:124"]), 1);
        assert_eq!(domains(&["192.0.2.1", "192.0.2.1:124", "192.0.2.2"]), 2);
        assert_eq!(domains(&["a.example", "b.example", "c.example"]), 3);
    }

    #[test]
    fn a_domain_that_cannot_be_meant_is_an_error() {
        let error = |builder: Builder| meaning(&builder).unwrap_err();
        let empty = Builder::new().ntp("a").domain("x", |d| d);
        assert!(matches!(error(empty), BuildError::EmptyDomain { .. }));
        let twice = Builder::new().domain("x", |d| d.ntp("a")).domain("x", |d| d.ntp("b"));
        assert!(matches!(error(twice), BuildError::DomainGivenTwice { .. }));
        for builder in [
            Builder::new().domain("x", |d| d.ntp("a")).domain("y", |d| d.ntp("b").ntp("a:124")),
            Builder::new().ntp("a").domain("y", |d| d.ntp("a")),
        ] {
            assert!(matches!(error(builder), BuildError::HostInTwoDomains { .. }));
        }
        let named_alike = Builder::new().ntp("a").domain("a", |d| d.ntp("b"));
        let (_, domains) = grouped(&named_alike.sources, &named_alike.domains).unwrap();
        assert_eq!(domains.len(), 2, "a domain's name is no host's");
    }

    /// The calls of a builder, each once.
    fn calls() -> Vec<fn(Builder) -> Builder> {
        vec![
            |b| b.ntp("a.example"),
            |b| b.ntp("b.example:124"),
            |b| b.domain("x", |d| d.ntp("c.example").ntp("d.example")),
            |b| b.domain("y", |d| d.ntp("e.example").trusted_whole()),
            |b| b.domain("z", |d| d.trusted_whole().ntp("f.example").ntp("g.example")),
            |b| b.max_faulty(1),
            |b| b.drift(crate::Drift::fixed_ppm(50)),
            |b| b.timescale(crate::Timescale::Smear24h),
            |b| b.poll_interval(Duration::from_secs(8)),
            |b| b.adapt_poll_interval(false),
            |b| b.timeout(Duration::from_secs(1)),
            |b| b.window(Duration::from_secs(512)),
            |b| b.max_age(Duration::from_secs(100)),
            |b| b.max_uncertainty(Duration::from_millis(100)),
            |b| b.max_floor_lead(Duration::from_millis(250)),
            |b| b.max_wait(Duration::from_secs(7)),
            |b| b.spin_budget(Duration::from_micros(50)),
            |b| b.max_recovery(Duration::from_secs(3)),
            |b| b.max_forward_jump(Duration::from_secs(3_600)),
            |b| b.mark_file("mark"),
            |b| b.check_interval(Duration::from_millis(50)),
            |b| b.suspend_check(true),
            |b| b.assume_unaged_root_dispersion(),
            |b| b.assume_root_fields_rounded_up(),
            |b| b.leap_second(crate::Timestamp::UNIX_EPOCH, crate::LeapAnnouncement::Insert),
            |b| b.counter(crate::CounterChoice::Raw),
            |b| b.vm_clock(crate::VmClockChoice::Off),
        ]
    }

    proptest! {
        #[test]
        fn found_no_order_of_calls_means_something_else(
            order in Just((0..calls().len()).collect::<Vec<_>>()).prop_shuffle(), left_out in any::<u32>(),
        ) {
            let chosen = |at: &usize| left_out >> at & 1 == 0;
            let build = |order: &mut dyn Iterator<Item = usize>| {
                order.filter(chosen).fold(Builder::new(), |builder, at| calls()[at](builder))
            };
            let (straight, shuffled) = (build(&mut (0..calls().len())), build(&mut order.into_iter()));
            prop_assert_eq!(meaning(&straight), meaning(&shuffled));
            prop_assert_eq!(straight.settings(), shuffled.settings());
        }
    }

    #[test]
    fn the_comparison_of_settings_sees_each_of_them() {
        let none = Builder::new();
        for (at, call) in calls().into_iter().enumerate() {
            let one = call(Builder::new());
            let differs = one.settings() != none.settings() || meaning(&one) != meaning(&none);
            assert!(differs, "call {at} changes nothing that is compared");
        }
    }
}
