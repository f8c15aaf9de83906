//! The store of the example: it grants the lease with a sequence, and keeps a balance behind a
//! fence. Real ones: etcd, PostgreSQL.

use crate::TERM;
use serde::{Deserialize, Serialize};
use sureclock::fence::{Fence, FencingToken, Locked};
use sureclock::{LeaseForm, LeaseGrant, LeaseGrantor, LeaseRequest, SureClock};

/// What the lease is for, and what the fence guards.
pub(crate) const NAME: &str = "account";

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Serialize, Deserialize)]
pub(crate) enum Ask {
    Lease(LeaseRequest),
    /// Sets the barrier and reads the balance.
    Lead(FencingToken),
    AboutToWrite,
    Write(FencingToken, u64),
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    Granted(LeaseGrant, u64),
    Balance(u64),
    Done,
    Refused(String),
}

pub(crate) struct Store {
    clock: SureClock,
    grantor: LeaseGrantor,
    sequence: u64,
    fence: Fence<u64>,
    /// What a store without a fence has.
    unfenced: Option<u64>,
    pub(crate) deposited: u64,
}

impl Store {
    pub(crate) fn new(clock: SureClock, fenced: bool) -> Result<Store> {
        let name = NAME.parse()?;
        let grantor = LeaseGrantor::first_ever(name, LeaseForm::Duration, TERM);
        let unfenced = (!fenced).then_some(0);
        Ok(Store {
            clock,
            grantor,
            sequence: 0,
            fence: Fence::new(name, 0),
            unfenced,
            deposited: 0,
        })
    }

    pub(crate) fn balance(&self) -> u64 {
        self.unfenced.unwrap_or_else(|| self.fence.read())
    }

    pub(crate) fn answer(&mut self, name: &str, ask: Ask) -> Result<Answer> {
        Ok(match ask {
            Ask::Lease(request) => match self.grantor.grant(&self.clock, &request) {
                Err(refused) => Answer::Refused(refused.to_string()),
                Ok(grant) => {
                    self.sequence += 1;
                    println!("  the {name} leader has the lease, sequence {}", self.sequence);
                    Answer::Granted(grant, self.sequence)
                }
            },
            Ask::Lead(barrier) => {
                let _ = self.fence.lock(&barrier)?;
                Answer::Balance(self.balance())
            }
            Ask::AboutToWrite => Answer::Done,
            Ask::Write(token, balance) => {
                match (&mut self.unfenced, self.fence.lock(&token)) {
                    (Some(unfenced), _) => *unfenced = balance,
                    (None, Ok(Locked::Write(mut guard))) => {
                        *guard = balance;
                        guard.commit();
                    }
                    // Made already: the same answer as then.
                    (None, Ok(_)) => return Ok(Answer::Done),
                    (None, Err(rejected)) => {
                        println!("  refused: {rejected}");
                        return Ok(Answer::Refused(rejected.to_string()));
                    }
                }
                self.deposited += 10;
                println!("  the {name} leader writes {balance}");
                Answer::Done
            }
        })
    }
}
