//! Writes, stamps and requests in simulated worlds, by the clocks of machines with liars, drift and
//! stepped OS clocks: true time is known, so what is lost, leads or is done twice is seen. Each law
//! has a twin that must break it.

use std::collections::BTreeMap;
use std::time::Duration;
use sureclock::register::{Register, Seen};
use sureclock::request::{Answers, Begun, NotDone, Reply, RequestId};
use sureclock::sim::{ClockError, Delay, Dice, Host, Oscillator, Path, Server, World};
use sureclock::{Drift, HybridClock, ReceiveError, SureClock, TimeInterval, Timescale};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const WORLDS: u64 = 60;

/// Three machines at the edges of their drift bound; four servers behind asymmetric paths, and a
/// liar that runs away.
fn machines(world: &mut World) -> Vec<SureClock> {
    for (name, there, back) in [("a", 1, 8), ("b", 9, 2), ("c", 4, 4), ("d", 12, 1)] {
        let path = Path::new(Delay::new(there * MS, 5 * MS), Delay::new(back * MS, 5 * MS))
            .loss_ppm(50_000);
        world.server(name, Server::honest().path(path).error(ClockError::AnywhereWithinClaims));
    }
    world.server("liar", Server::honest().error(ClockError::Ramp { ns_per_s: 3_000_000 }));
    let ppb = [200_000, -200_000, 40_000];
    let clocks = ppb.into_iter().enumerate().map(|(number, ppb)| {
        let host = Host::named(format!("machine {number}")).oscillator(Oscillator::steady(ppb));
        world
            .clock(host.settings(|builder| builder.max_faulty(1).drift(Drift::fixed_ppm(200))))
            .expect("a clock")
    });
    let clocks: Vec<SureClock> = clocks.collect();
    world.advance(60 * S);
    assert!(
        clocks.iter().all(|clock| clock.now().is_ok_and(|now| now.contains(world.true_time())))
    );
    clocks
}

/// What an OS clock says, and a guess of how wrong it is: what a register is fed where there is no
/// bound.
fn guess(world: &World, clock: &SureClock) -> TimeInterval {
    let os = world.wall_time(clock).assume_true();
    let (earliest, latest) = (os.checked_sub(MS).unwrap(), os.checked_add(MS).unwrap());
    TimeInterval::new(earliest, latest, Timescale::Utc).unwrap()
}

const WRITES: u32 = 40;

/// In how many worlds the last acknowledged write is not there in the end, or is refused; and how
/// many writes are left in all.
fn last_writes_lost(by_the_interval: bool) -> (u64, usize) {
    let mut left = 0;
    let mut lost = |seed: &u64| {
        let mut world = World::new(*seed);
        let clocks = machines(&mut world);
        let mut dice = Dice::new(*seed);
        // An ordinary evening: the OS clocks are milliseconds apart.
        for clock in &clocks {
            world.step_wall(clock, dice.below(20_000_000) as i64 - 10_000_000);
        }
        let mut replicas: Vec<Register<u32>> = clocks.iter().map(|_| Register::new()).collect();
        let mut refused = false;
        for write in 0..WRITES {
            world.advance(Duration::from_nanos(1 + dice.below(20_000_000)));
            let at = dice.below(3) as usize;
            let interval = if by_the_interval {
                clocks[at].now().unwrap()
            } else {
                guess(&world, &clocks[at])
            };
            let seen = if dice.below(2) == 0 {
                Seen::nothing()
            } else {
                replicas[at].read().seen().clone()
            };
            refused |= replicas[at].write(write, &interval, &seen).is_err();
            if dice.below(3) == 0 {
                let other = replicas[dice.below(3) as usize].state().clone();
                refused |= replicas[at].merge(&other, &interval).is_err();
            }
        }
        let (mut end, now) = (Register::new(), clocks[0].now().unwrap());
        let later = now.latest().checked_add(Duration::from_secs(1)).unwrap();
        let later = TimeInterval::new(later, later, now.timescale()).unwrap();
        for replica in &replicas {
            end.merge(replica.state(), &later).unwrap();
        }
        left += end.read().versions().len();
        // Nothing came after the last one, so nothing may take its place.
        refused || !end.read().versions().iter().any(|version| *version.value() == WRITES - 1)
    };
    let lost = (0..WORLDS).filter(&mut lost).count() as u64;
    (lost, left)
}

#[test]
fn the_last_acknowledged_write_is_there() {
    let (lost, left) = last_writes_lost(true);
    assert_eq!(lost, 0);
    // Whoever keeps everything loses nothing either.
    assert!(left < (WORLDS * u64::from(WRITES)) as usize / 4, "{left} are left");
}

#[test]
fn by_a_guess_of_the_os_clock_it_is_not() {
    assert!(last_writes_lost(false).0 > WORLDS / 10);
}

#[test]
fn no_stamp_leads_true_time_and_honest_ones_are_taken() {
    for seed in 0..WORLDS {
        let mut world = World::new(seed);
        let clocks: Vec<HybridClock> = machines(&mut world)
            .into_iter()
            .map(|clock| HybridClock::with_max_lead(clock, Duration::ZERO))
            .collect();
        let mut dice = Dice::new(seed);
        let (mut received, mut last) = (0, [None; 3]);
        for _ in 0..300 {
            world.advance(Duration::from_nanos(dice.below(3_000_000)));
            let (at, from) = (dice.below(3) as usize, dice.below(3) as usize);
            let stamp = match clocks[from].last() {
                Some(sent) if dice.below(2) == 0 => {
                    received += 1;
                    let stamp = clocks[at].receive(sent).expect("an honest stamp is taken");
                    assert!(stamp > sent);
                    stamp
                }
                _ => clocks[at].stamp().expect("a stamp"),
            };
            assert!(stamp.time() <= world.true_time() && last[at] < Some(stamp), "seed {seed}");
            last[at] = Some(stamp);
        }
        assert!(received > 50, "or nothing is shown");
        // The twin: a machine that stamps by an OS clock that is two seconds ahead. It is refused,
        // with the proof, and drags nobody along.
        world.step_wall(clocks[0].clock(), 2_000_000_000);
        let os = world.wall_time(clocks[0].clock()).assume_true().to_string();
        // A whole second is one of the units of a stamp.
        let ahead = format!("{}.000000000Z#0", &os[..19]).parse().unwrap();
        let before = clocks[1].last();
        let Err(ReceiveError::AheadOfTime(proof)) = clocks[1].receive(ahead) else {
            panic!("taken")
        };
        assert!(proof.stamp == ahead && proof.latest < ahead.time() && clocks[1].last() == before);
    }
}

/// How often an id was carried out twice, or carried out although it had been said that it never
/// would be.
fn broken_promises(restart_says_so: bool) -> u64 {
    let mut broken = 0;
    for seed in 0..WORLDS {
        let mut world = World::new(seed);
        let clocks = machines(&mut world);
        let (server, clients) = (&clocks[0], &clocks[1..]);
        let mut dice = Dice::new(seed);
        let (keep, longest) = (200 * MS, 2 * S);
        let mut answers = Answers::<usize>::first_ever(Timescale::Utc, keep, longest);
        let mut ids: Vec<RequestId> = Vec::new();
        let (mut done, mut never): (BTreeMap<usize, u32>, Vec<usize>) =
            (BTreeMap::new(), Vec::new());
        for _ in 0..400 {
            world.advance(Duration::from_nanos(dice.below(20_000_000)));
            if ids.is_empty() || dice.below(4) == 0 {
                let now = clients[dice.below(2) as usize].now().unwrap();
                ids.push(RequestId::new(&now, Duration::from_millis(dice.below(300))).unwrap());
            }
            if dice.below(40) == 0 {
                answers = match restart_says_so {
                    true => Answers::new(&server.now().unwrap(), keep, longest),
                    false => Answers::first_ever(Timescale::Utc, keep, longest),
                };
            }
            // A copy of any id that was ever sent arrives.
            let at = ids.len() - 1 - (dice.below(ids.len().min(20) as u64) as usize);
            match answers.begin(&ids[at], b"", &server.now().unwrap()) {
                Begun::New => {
                    *done.entry(at).or_default() += 1;
                    broken += u64::from(done[&at] > 1 || never.contains(&at));
                    answers.finish(&ids[at], at);
                }
                Begun::Known(Reply::NotDone(NotDone::TooLate)) => {
                    broken += u64::from(done.contains_key(&at));
                    never.push(at);
                }
                Begun::Known(reply) => {
                    assert_ne!(reply, Reply::AheadOfTime, "every clock is right here")
                }
            }
        }
        assert!(done.len() > 20 && !never.is_empty(), "or nothing is shown");
    }
    broken
}

#[test]
fn nothing_is_done_twice_and_never_means_never() {
    assert_eq!(broken_promises(true), 0);
}

#[test]
fn a_server_that_forgets_and_does_not_say_so_does_it_twice() {
    assert!(broken_promises(false) > 0);
}
