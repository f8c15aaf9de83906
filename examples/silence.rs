//! A bank behind a network that loses one message in four and delivers some late. A client that
//! takes silence for a failure is wrong, one that simply asks again pays twice; one that asks again
//! with the same id knows. Offline.
//!
//! `cargo run --release --example silence`

use std::time::Duration;
use sureclock::SureClock;
use sureclock::request::{Answers, Begun, NotDone, Outcome, Reply, RequestId, ask_until_known};

mod support;

const PAYMENTS: u64 = 300;
const WITHIN: Duration = Duration::from_millis(50);
const KEEP: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A bank, and the network before it.
struct Bank {
    clock: SureClock,
    answers: Answers<u64>,
    paid: u64,
    messages: u64,
    late: Vec<(RequestId, u64)>,
}

impl Bank {
    fn new(clock: &SureClock) -> Result<Bank> {
        let answers = Answers::first_ever(clock.now()?.timescale(), KEEP, KEEP);
        Ok(Bank { clock: clock.clone(), answers, paid: 0, messages: 0, late: Vec::new() })
    }

    /// What the client hears: the reply, if neither message is lost. Of what is lost on the way
    /// there, some comes late.
    fn ask(&mut self, id: &RequestId, payment: u64) -> Result<Option<Reply<u64>>> {
        if self.network_loses() {
            self.late.extend((self.messages % 3 == 0).then_some((*id, payment)));
            return Ok(None);
        }
        self.pay(id, payment).map(|reply| (!self.network_loses()).then_some(reply))
    }

    fn pay(&mut self, id: &RequestId, payment: u64) -> Result<Reply<u64>> {
        Ok(match self.answers.begin(id, &payment.to_le_bytes(), &self.clock.now()?) {
            Begun::Known(reply) => reply,
            Begun::New => {
                self.paid += 1; // in a real bank in one transaction with the answer
                self.answers.finish(id, self.paid);
                Reply::Done(self.paid)
            }
        })
    }

    /// Looks like chance, and is the same in each run.
    fn network_loses(&mut self) -> bool {
        self.messages += 1;
        (self.messages.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62) == 0
    }

    /// What was late arrives. What has been paid in the end.
    fn end(&mut self) -> Result<u64> {
        std::mem::take(&mut self.late)
            .iter()
            .try_for_each(|(id, payment)| self.pay(id, *payment).map(drop))?;
        Ok(self.paid)
    }
}

fn main() -> Result<()> {
    let clock = support::start_clock()?;
    let new_id = || Ok::<_, Box<dyn std::error::Error>>(RequestId::new(&clock.now()?, WITHIN)?);

    let (mut bank, mut told) = (Bank::new(&clock)?, 0);
    for payment in 0..PAYMENTS {
        told += u64::from(matches!(bank.ask(&new_id()?, payment)?, Some(Reply::Done(_))));
    }
    let paid = bank.end()?;
    println!(
        "silence is a failure:     the client knows of {told} payments, the bank has made {paid}"
    );
    assert!(paid > told);

    let mut bank = Bank::new(&clock)?;
    for payment in 0..PAYMENTS {
        while !matches!(bank.ask(&new_id()?, payment)?, Some(Reply::Done(_))) {} // a new request each time
    }
    let paid = bank.end()?;
    println!(
        "silence is asked anew:    the client wants {PAYMENTS} payments, the bank has made {paid}"
    );
    assert!(paid > PAYMENTS);

    let (mut bank, mut done) = (Bank::new(&clock)?, 0);
    for payment in 0..PAYMENTS {
        let outcome = ask_until_known(&clock, &new_id()?, Duration::from_micros(100), KEEP, |id| {
            let reply = bank.ask(id, payment).ok().flatten();
            reply.map_or_else(Outcome::unknown, Outcome::<u64, NotDone>::from)
        });
        done += u64::from(outcome.known()?.is_ok());
    }
    let paid = bank.end()?;
    let failed = PAYMENTS - done;
    println!(
        "asked again with its id:  {done} succeeded, {failed} failed, 0 unknown, the bank has made {paid}"
    );
    assert_eq!(paid, done);
    Ok(())
}
