//! A store of three replicas inside this process, for where no etcd runs: a majority of them
//! decides. What a consensus store does in earnest, in short: one caller at a time, and nothing
//! survives the process.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use sureclock::{Acquired, LeaseStore, MonotonicTime, SureClock};

#[derive(Default)]
struct Replica {
    sequence: u64,
    /// Since when, for how long, and to whom it is promised.
    promised: Option<(MonotonicTime, Duration, usize)>,
}

/// A node's way to the replicas.
pub(crate) struct Embedded {
    clock: SureClock,
    replicas: Rc<RefCell<[Replica; 3]>>,
    node: usize,
    /// How many of them it reaches.
    pub(crate) reaches: usize,
}

impl Embedded {
    /// The ways of so many nodes to one store.
    pub(crate) fn new<const N: usize>(clock: &SureClock) -> [Embedded; N] {
        let replicas = Rc::new(RefCell::default());
        let way = |node| Embedded {
            clock: clock.clone(),
            replicas: Rc::clone(&replicas),
            node,
            reaches: 3,
        };
        std::array::from_fn(way)
    }

    /// A promise of the majority, or none; not even an answer without a majority.
    fn promise(&self, term: Duration, renews: bool) -> Result<Option<u64>, &'static str> {
        let mut replicas = self.replicas.borrow_mut();
        let reached = &mut replicas[..self.reaches];
        if reached.len() < 2 {
            return Err("fewer than two of three replicas are reached: nobody can decide");
        }
        let now = self.clock.monotonic();
        let is_over = |(since, term, _): (MonotonicTime, Duration, usize)| {
            self.clock.elapsed(since, now).is_some_and(|elapsed| elapsed.at_least >= term)
        };
        let agrees = |replica: &Replica| match replica.promised {
            Some(promised) => {
                if renews {
                    promised.2 == self.node && !is_over(promised)
                } else {
                    is_over(promised)
                }
            }
            None => !renews,
        };
        if reached.iter().filter(|replica| agrees(replica)).count() < 2 {
            return Ok(None);
        }
        // Any two majorities have a replica in common, so this is above every one that was given
        // out.
        let highest = reached.iter().map(|replica| replica.sequence).max().unwrap_or(0);
        let sequence = if renews { highest } else { highest + 1 };
        for replica in reached {
            *replica = Replica { sequence, promised: Some((now, term, self.node)) };
        }
        Ok(Some(sequence))
    }
}

impl LeaseStore for Embedded {
    type Error = &'static str;

    fn acquire(&mut self, _name: &str, term: Duration) -> Result<Option<Acquired>, &'static str> {
        Ok(self.promise(term, false)?.map(|sequence| Acquired { sequence, term }))
    }

    fn renew(&mut self, _name: &str) -> Result<Option<Duration>, &'static str> {
        Ok(self.promise(super::TERM, true)?.map(|_| super::TERM))
    }
}
