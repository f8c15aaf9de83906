//! From sources to failure domains: what each says, and which of them are really one.

use super::Synchronizer;
use crate::bound::agree::domain_bound;
use crate::bound::slopes::Rates;
use crate::bound::window::Bound;
use std::net::SocketAddr;

impl Synchronizer {
    /// The bound of each failure domain at reading `now`; domains that share an address are one.
    pub(super) fn domain_bounds(&mut self, now: u64) -> Vec<Bound> {
        let rates = *self.counter.rates();
        self.domain_bounds_under(now, &rates)
    }

    /// The bound of each failure domain at reading `now`, with facts aged by `rates`.
    pub(super) fn domain_bounds_under(&mut self, now: u64, rates: &Rates) -> Vec<Bound> {
        let merged = self.merged_domains();
        let bounds: Vec<Bound> =
            self.sources.iter_mut().map(|source| source.window.bound(now, rates)).collect();
        let members = |domain: usize| {
            let of = merged[..].iter().zip(&bounds).filter(move |(d, _)| **d == domain);
            of.map(|(_, bound)| *bound)
        };
        (0..self.config.domains.len())
            // Trusted whole only while it is the domain that the user meant.
            .map(|d| {
                domain_bound(
                    members(d),
                    self.config.domains[d].trusted_whole && self.is_unmerged(d, &merged),
                )
            })
            .collect()
    }

    fn is_unmerged(&self, domain: usize, merged: &[usize]) -> bool {
        self.config
            .sources
            .iter()
            .zip(merged)
            .all(|(setup, m)| (*m == domain) == (setup.domain == domain))
    }

    /// The domain of each source, after those that share a host have been merged into the lowest of
    /// them.
    pub(super) fn merged_domains(&self) -> Vec<usize> {
        let mut domain_of: Vec<usize> =
            self.config.sources.iter().map(|setup| setup.domain).collect();
        for a in 0..self.sources.len() {
            for b in a + 1..self.sources.len() {
                let (Some(x), Some(y)) = (self.sources[a].address, self.sources[b].address) else {
                    continue;
                };
                if same_host(x, y) && domain_of[a] != domain_of[b] {
                    let (keep, drop) =
                        (domain_of[a].min(domain_of[b]), domain_of[a].max(domain_of[b]));
                    domain_of.iter_mut().filter(|d| **d == drop).for_each(|d| *d = keep);
                }
            }
        }
        domain_of
    }

    /// How many failure domains there are, those that share a host counted once.
    pub(super) fn distinct_domains(&self) -> usize {
        let mut merged = self.merged_domains();
        merged.sort_unstable();
        merged.dedup();
        merged.len()
    }

    /// The reading since which f+1 failure domains have been heard, so at least one that is right.
    pub(super) fn heard(&self) -> u64 {
        let merged = self.merged_domains();
        let newest = |domain: usize| {
            let of = merged.iter().zip(&self.sources).filter(|(d, _)| **d == domain);
            of.filter_map(|(_, source)| source.window.newest()).max()
        };
        let mut heard: Vec<u64> = (0..self.config.domains.len()).filter_map(newest).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        heard.get(self.config.faulty).copied().unwrap_or(0)
    }
}

/// One address is one host. All loopback addresses are this host, whose servers (tests and relays
/// live there) differ by port.
pub(super) fn same_host(a: SocketAddr, b: SocketAddr) -> bool {
    let (x, y) = (a.ip().to_canonical(), b.ip().to_canonical());
    match (x.is_loopback(), y.is_loopback()) {
        (true, true) => a.port() == b.port(),
        _ => x == y,
    }
}
