//! The law of simulated worlds: bytes say what there is and what happens; every reading contains
//! true time, or is an error.

use crate::input::Input;
use std::time::Duration;
use sureclock::sim::{ClockError, Delay, Host, Oscillator, Path, ReadPoint, Reply, Server, World};
use sureclock::{Drift, LeapAnnouncement, SureClock, Timestamp};

/// Three to seven servers of which f may do anything, a machine or two, and up to forty things that
/// happen. True if a clock had an interval.
pub fn world(data: &[u8]) -> bool {
    let mut input = Input(data);
    let near_midnight = input.number(1) % 4 == 0;
    let mut world = World::new(input.number(2));
    if near_midnight {
        let midnight = Timestamp::from_unix_nanos(1_798_761_600_000_000_000);
        let start =
            midnight.checked_sub(Duration::from_secs(2 + input.number(1))).expect("in range");
        world = World::starting_at(input.number(2), start);
        if input.number(1) % 2 == 0 {
            world.leap_second(start, input.number(1) % 2 == 0, true);
        }
    }
    let n = 3 + input.number(1) as usize % 5;
    let faulty = (n - 1) / 2;
    for at in 0..n {
        let server = if at < faulty { liar(&mut input) } else { honest(&mut input) };
        world.server(format!("s{at}"), server);
    }
    let mut clocks = Vec::new();
    for name in ["east", "west"].iter().take(1 + input.number(1) as usize % 2) {
        clocks.push(world.clock(host(name, &mut input)).expect("the settings are in range"));
    }
    let mut answered = false;
    for _ in 0..ACTS {
        if input.is_empty() {
            break;
        }
        let clock = clocks[input.number(1) as usize % clocks.len()].clone();
        act(&mut world, &clock, (n, faulty), &mut input);
        for clock in &clocks {
            let checked = world.check_all(clock);
            answered |= checked
                .unwrap_or_else(|violation| panic!("{violation}\n{}", world.story()))
                .is_ok();
        }
    }
    answered
}

/// Something that happens, within what is assumed.
fn act(world: &mut World, clock: &SureClock, (n, faulty): (usize, usize), input: &mut Input) {
    let length = length(input);
    match input.number(1) % 12 {
        0 => {
            world.stop_process(clock, length);
            world.advance(length);
        }
        1 => world.step_wall(clock, input.number(8) as i64),
        2 => world.report_restore(clock),
        3 => {
            let at = faulty + input.number(1) as usize % (n - faulty);
            let again = honest(input);
            world.server(format!("s{at}"), again);
        }
        4 => {
            let at = input.number(1) as usize % faulty;
            let again = liar(input);
            world.server(format!("s{at}"), again);
        }
        5 => {
            let point = if input.number(1) % 2 == 0 {
                ReadPoint::BeforeCounter
            } else {
                ReadPoint::AfterCounter
            };
            world.in_next_reading(clock, point, move |world| world.advance(length));
        }
        6 => {
            let _was_disrupted = clock.start_new_epoch();
        }
        7 => {
            let (in_a_reading, ticks) =
                (input.number(1), i64::from(input.number(4) as i32) * 1_000);
            let moved = clock.clone();
            let move_it = move |world: &mut World| {
                world.move_machine(&moved, length, ticks);
                world.advance(length);
            };
            match in_a_reading % 4 {
                0 => world.in_next_reading(clock, ReadPoint::BeforeCounter, move_it),
                1 => world.in_next_reading(clock, ReadPoint::AfterCounter, move_it),
                _ => move_it(world),
            }
        }
        _ => world.advance(length),
    }
}

fn host(name: &str, input: &mut Input) -> Host {
    let k = [200_000u32, 15_000, 1_000_000][input.number(1) as usize % 3];
    let bound = k as i32;
    let course = match input.number(1) % 5 {
        0 => Oscillator::steady(bound),
        1 => Oscillator::steady(-bound),
        2 => Oscillator::square(-bound, bound, Duration::from_millis(100 + input.number(2))),
        3 => Oscillator::sine(bound, Duration::from_secs(10 + input.number(1))),
        _ => Oscillator::steady((input.number(4) as i64 % i64::from(bound)) as i32),
    };
    let hz = [1_000_000_000, 25_000_000, 3_000_000_000, 1_000][input.number(1) as usize % 4];
    let poll = Duration::from_secs(1 << (input.number(1) % 6));
    let host =
        Host::named(name).oscillator(course).counter_hz(hz).vm_clock().settings(move |builder| {
            builder
                .drift(Drift::fixed_ppb(k))
                .poll_interval(poll)
                .max_uncertainty(Duration::from_secs(3600))
        });
    match input.number(1) % 4 {
        0 => host.skew_ticks(input.number(1) as u32),
        1 => host.stalls(100_000, Duration::from_millis(1 + input.number(2))),
        _ => host,
    }
}

fn honest(input: &mut Input) -> Server {
    let error = match input.number(1) % 4 {
        0 => ClockError::AtEdge { ahead: true },
        1 => ClockError::AtEdge { ahead: false },
        2 => ClockError::AnywhereWithinClaims,
        _ => ClockError::None,
    };
    let server = if input.number(1) % 4 == 0 {
        Server::direct()
    } else {
        Server::honest().reply(reply(input))
    };
    let server = if input.number(1) % 2 == 0 { server.steps_late() } else { server };
    server.error(error).path(path(input)).root_dispersion(Duration::from_micros(input.number(2)))
}

fn liar(input: &mut Input) -> Server {
    let ns = (input.number(8) as i64) >> (input.number(1) % 64);
    let error = match input.number(1) % 5 {
        0 => ClockError::BeyondClaims { ns: ns >> 24 },
        1 => ClockError::Ramp { ns_per_s: ns >> 32 },
        2 => ClockError::Flip { ns: ns >> 24, every: Duration::from_secs(1 + input.number(1)) },
        3 => ClockError::Random { most_ns: (ns >> 24).saturating_abs() },
        // Years at most: beyond the range of an NTP era nothing is served.
        _ => ClockError::Fixed { ns: ns >> 4 },
    };
    let kinds = [LeapAnnouncement::None, LeapAnnouncement::Insert, LeapAnnouncement::Delete];
    honest(input).error(error).announces(kinds[input.number(1) as usize % 3])
}

fn reply(input: &mut Input) -> Reply {
    match input.number(1) % 32 {
        0 => Reply::None,
        1 => Reply::Unsynchronized,
        2 => Reply::Stratum(input.number(1) as u8),
        3 => Reply::Kiss(*b"RATE"),
        4 => Reply::TransmitBeforeReceive,
        5 => Reply::ZeroStamps,
        6 => Reply::SetBetween { ns: input.number(4) as i64 - (1 << 31) },
        7 => Reply::ReferenceInTheFuture,
        8 => Reply::ReferenceUnknown,
        9 => Reply::Short,
        10 => Reply::Long,
        11 => Reply::ForeignOrigin,
        12 => Reply::Noise,
        _ => Reply::Proper,
    }
}

fn path(input: &mut Input) -> Path {
    let mut delay = || {
        Delay::new(Duration::from_micros(input.number(2)), Duration::from_micros(input.number(2)))
    };
    let path = Path::new(delay(), delay());
    match input.number(1) % 8 {
        0 => path.loss_ppm(300_000),
        1 => path.duplicate_ppm(300_000).replay_ppm(300_000),
        2 => path.spoof_ppm(500_000),
        // Ends in a minute or so: it is set anew.
        3 => path.loss_ppm(1_000_000),
        _ => path,
    }
}

/// Nanoseconds to a minute, all sizes alike.
fn length(input: &mut Input) -> Duration {
    let size = input.number(1) % 37;
    Duration::from_nanos((input.number(5) & ((1 << size) - 1)).min(60_000_000_000))
}

const ACTS: usize = 40;
