//! Leases in simulated worlds: messages late, lost, twice and out of order; grantors that restart;
//! machines that stop and are suspended; clocks at their bounds. Never two holders, and with any
//! one condition taken out there are two.
//!
//! `SURECLOCK_STEPS=100000000 cargo test --release --features sim --test leases -- --nocapture`
//! takes so many steps.

use std::time::{Duration, Instant};
use sureclock::sim::{ClockError, Delay, Dice, Host, Oscillator, Path, Server, World};
use sureclock::{
    Lease, LeaseForm, LeaseGrant, LeaseGrantor, LeaseRelease, LeaseRequest, SureClock, Timestamp,
};

const HOLDERS: usize = 3;
/// The grantor is on one of the others.
const MACHINES: usize = 5;
const TERM: Duration = Duration::from_secs(2);

/// A condition that is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// The term counts from the answer.
    RequestTime,
    /// A restarted grantor does not wait.
    RestartWait,
    /// Two of three servers lie to a machine whose grantor goes on from another's deadline.
    HonestSources,
    /// The oscillators are worse than was said.
    DriftBound,
    /// Machines are paused, and nothing tells.
    Continuity,
}

#[derive(Clone, Copy)]
enum Message {
    Request { from: usize, request: LeaseRequest },
    Grant { to: usize, grant: LeaseGrant },
    Release { release: LeaseRelease },
}

/// A lease, its grantor and what is on its way.
struct Side {
    form: LeaseForm,
    grantor: LeaseGrantor,
    /// The machine that the grantor is on.
    at: usize,
    leases: Vec<Lease>,
    /// On their way, with the step in which they arrive.
    messages: Vec<(u64, Message)>,
    granted: u64,
}

struct Run {
    world: World,
    dice: Dice,
    clocks: Vec<SureClock>,
    /// Until when each machine does not run.
    asleep_until: Vec<Timestamp>,
    without: Without,
}

impl Run {
    fn is_awake(&self, machine: usize) -> bool {
        self.world.true_time() >= self.asleep_until[machine]
    }

    /// A message that takes a while, or is lost, or comes twice.
    fn arrivals(&mut self, now: u64) -> Vec<u64> {
        let copies = *self.dice.one_of(&[0, 1, 1, 1, 1, 1, 1, 2]);
        let slow = self.dice.chance_ppm(100_000);
        (0..copies).map(|_| now + self.dice.below(if slow { 60 } else { 3 })).collect()
    }

    fn host(&mut self, number: usize, form: LeaseForm) -> Host {
        let mut host = Host::named(format!("machine {number}"));
        let delays = [Duration::from_micros(50), Duration::from_millis(20)];
        let (there, back) = (*self.dice.one_of(&delays), *self.dice.one_of(&delays));
        let path = Path::new(
            Delay::new(there, Duration::from_micros(50)),
            Delay::new(back, Duration::from_micros(50)),
        );
        // No holder's time is compared with anyone's: lies that do not change do no harm there.
        let fooled =
            number < HOLDERS || self.without == Without::HonestSources && number == HOLDERS;
        let liars = if fooled && form != LeaseForm::Duration { 2 } else { self.dice.below(2) };
        for server in 0..3 {
            let name = format!("{number}.{server}");
            let honest = Server::honest().path(path);
            let lie = ClockError::Fixed { ns: -3_000_000_000 };
            self.world
                .server(name.clone(), if server < liars { honest.error(lie) } else { honest });
            host = host.asks(name);
        }
        let worst = if self.without == Without::DriftBound { 100_000_000 } else { 200_000 };
        let ppb = *self.dice.one_of(&[-worst, worst, 0]);
        host.oscillator(Oscillator::steady(ppb)).stalls(1000, Duration::from_secs(1)).settings(
            |builder| {
                builder
                    .adapt_poll_interval(false)
                    .max_uncertainty(Duration::from_secs(5))
                    .max_age(Duration::from_secs(3600))
            },
        )
    }

    fn happens_to_a_machine(&mut self) {
        let machine = usize::try_from(self.dice.below(self.clocks.len() as u64)).unwrap();
        if !self.is_awake(machine) {
            return;
        }
        let clock = &self.clocks[machine];
        let length = self.dice.length(Duration::from_millis(1), 3 * TERM);
        match self.dice.below(3) {
            0 => self.world.stop_process(clock, length),
            1 => self.world.suspend(clock, length),
            _ if self.without == Without::Continuity => self.world.pause_machine(clock, length),
            _ => return,
        }
        self.asleep_until[machine] = self.world.true_time().checked_add(length).unwrap();
    }

    fn step(&mut self, side: &mut Side, now: u64) {
        let grantors_clock = self.clocks[side.at].clone();
        // Messages that arrive.
        let to = |message: &Message| match message {
            Message::Request { .. } | Message::Release { .. } => side.at,
            Message::Grant { to, .. } => *to,
        };
        let arrives = |(at, message): &(u64, Message)| *at <= now && self.is_awake(to(message));
        let (due, later) = std::mem::take(&mut side.messages).into_iter().partition(arrives);
        side.messages = later;
        let due: Vec<(u64, Message)> = due;
        for (_, message) in due {
            match message {
                Message::Request { from, request } => {
                    let Ok(grant) = side.grantor.grant(&grantors_clock, &request) else { continue };
                    side.granted += 1;
                    for at in self.arrivals(now) {
                        side.messages.push((at, Message::Grant { to: from, grant }));
                    }
                }
                Message::Release { release } => _ = side.grantor.release(&release),
                Message::Grant { to, mut grant } => {
                    let (lease, clock) = (&mut side.leases[to], &self.clocks[to]);
                    if self.without == Without::RequestTime {
                        // As if it had been requested now.
                        let request = lease.request(clock, TERM).unwrap();
                        grant =
                            LeaseGrantor::first_ever("leader".parse().unwrap(), side.form, TERM)
                                .grant(clock, &request)
                                .unwrap_or(grant);
                    }
                    let _ = lease.granted(clock, &grant);
                }
            }
        }
        // Someone asks, whoever holds; the grantor is restarted now and then.
        let from = usize::try_from(self.dice.below(HOLDERS as u64)).unwrap();
        if self.dice.below(200) == 0 && self.is_awake(from) {
            let gone = std::mem::replace(
                &mut side.leases[from],
                Lease::new("leader".parse().unwrap()).unwrap(),
            );
            let release = gone.release().unwrap();
            for at in self.arrivals(now) {
                side.messages.push((at, Message::Release { release }));
            }
        }
        if self.dice.below(4) == 0 && self.is_awake(from) {
            // Longer than the longest, too.
            let term = self.dice.length(Duration::ZERO, TERM + TERM / 4);
            let term = if self.dice.below(2) == 0 { TERM } else { term };
            let request = side.leases[from].request(&self.clocks[from], term).unwrap();
            for at in self.arrivals(now) {
                side.messages.push((at, Message::Request { from, request }));
            }
        }
        if self.dice.below(500) == 0 {
            self.restart(side);
        }
    }

    /// The grantor goes on in another process: on the same machine, or on another one from what the
    /// first had stored.
    fn restart(&mut self, side: &mut Side) {
        let stored = side.grantor.promised_until().filter(|_| side.form == LeaseForm::Deadline);
        let at = if stored.is_some() { HOLDERS + MACHINES - 1 - side.at } else { side.at };
        if !self.is_awake(at) {
            return;
        }
        side.at = at;
        let clock = &self.clocks[at];
        side.grantor = match (self.without, stored) {
            (Without::RestartWait, _) => {
                LeaseGrantor::first_ever("leader".parse().unwrap(), side.form, TERM)
            }
            (_, Some(until)) => {
                LeaseGrantor::recovered("leader".parse().unwrap(), TERM, until, clock)
            }
            (_, None) => LeaseGrantor::restarted("leader".parse().unwrap(), side.form, TERM, clock),
        };
    }
}

/// Plays a world of so many steps: how often the lease was granted and held, or who held it beside
/// whom.
fn run(seed: u64, steps: u64, form: LeaseForm, without: Without) -> Result<(u64, u64), String> {
    let mut run = Run {
        world: World::new(seed),
        dice: Dice::new(seed ^ 0x1ea5e),
        clocks: Vec::new(),
        asleep_until: vec![Timestamp::MIN; MACHINES],
        without,
    };
    for number in 0..MACHINES {
        let host = run.host(number, form);
        let clock = run.world.clock(host).unwrap();
        run.clocks.push(clock);
    }
    run.world.advance(Duration::from_secs(20));
    let mut side = Side {
        form,
        grantor: LeaseGrantor::first_ever("leader".parse().unwrap(), form, TERM),
        at: HOLDERS,
        leases: (0..HOLDERS).map(|_| Lease::new("leader".parse().unwrap()).unwrap()).collect(),
        messages: Vec::new(),
        granted: 0,
    };
    let mut held = 0;
    for now in 0..steps {
        run.step(&mut side, now);
        if run.dice.below(100) == 0 {
            run.happens_to_a_machine();
        }
        let holds = |holder: &usize| side.leases[*holder].state(&run.clocks[*holder]).is_held();
        let holders: Vec<usize> =
            (0..HOLDERS).filter(|holder| run.is_awake(*holder)).filter(holds).collect();
        if holders.len() > 1 {
            return Err(format!(
                "{form:?} without {without:?}, seed {seed}, step {now}: held by {holders:?}"
            ));
        }
        held += holders.len() as u64;
        let pause = run.dice.length(Duration::ZERO, Duration::from_millis(200));
        run.world.advance(pause);
    }
    Ok((side.granted, held))
}

const FORMS: [LeaseForm; 3] = [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both];

#[test]
fn there_are_never_two_holders() {
    const EACH: u64 = 2_000;
    let steps: u64 = std::env::var("SURECLOCK_STEPS")
        .map_or(300_000, |steps| steps.parse().expect("a number of steps"));
    let (began, mut said) = (Instant::now(), Instant::now());
    for form in FORMS {
        let (mut granted, mut held) = (0, 0);
        let worlds = steps.div_ceil(3 * EACH);
        for seed in 0..worlds {
            let (grants, holds) =
                run(seed, EACH, form, Without::Nothing).unwrap_or_else(|two| panic!("{two}"));
            (granted, held) = (granted + grants, held + holds);
            if said.elapsed() > Duration::from_secs(10) {
                println!("{form:?}: {seed} of {worlds} worlds");
                said = Instant::now();
            }
        }
        let steps = worlds * EACH;
        println!(
            "{form:?}: {steps} steps, granted {granted} times, held in {held} of them, {:.0?}",
            began.elapsed()
        );
        assert!(granted > steps / 50, "hardly ever granted");
        assert!(held > steps / 5, "hardly ever held: {held} of {steps}");
    }
}

#[test]
fn with_any_condition_taken_out_there_are_two() {
    let cases = [
        (Without::RequestTime, &FORMS[..]),
        (Without::RestartWait, &FORMS[..]),
        (Without::HonestSources, &FORMS[1..2]),
        (Without::DriftBound, &FORMS[..1]),
        (Without::Continuity, &FORMS[..2]),
    ];
    for (without, forms) in cases {
        for form in forms {
            let two = (0..100).find_map(|seed| run(seed, 2_000, *form, without).err());
            println!(
                "{}",
                two.unwrap_or_else(|| panic!("{form:?} without {without:?}: never two"))
            );
        }
    }
}
