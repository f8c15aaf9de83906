//! Real chronyd servers behind a relay whose delays are known, asked by a clock of ours and by
//! `chronyd -x` over like links. The host's clock, which all servers serve, is the truth.

use crate::support::chronyd::{Chronyd, Config, require_chronyd};
use crate::support::ntp_probe::{self, Answer, ntp_stamp};
use crate::support::relay::{Direction, Leg, Path, Relay, shift_server_stamps};
use plotters::prelude::*;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use sureclock::{Drift, SureClock, Timestamp};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// Links to three servers, and what becomes of them.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The shortest delay of each direction, and up to how much more.
    there: (Duration, Duration),
    back: (Duration, Duration),
    loss_permille: u16,
    /// Polls each 2^this seconds.
    poll: i8,
    drift: Drift,
    adapts: bool,
    fault: Fault,
    pictured: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// One server runs away, from [`FAULT_AT`] on.
    Ramp {
        ns_per_s: i64,
    },
    /// One server steps.
    Step {
        ns: i64,
    },
    /// All routes become longer by this, one way.
    Route {
        longer: Duration,
    },
    /// Nothing gets through for two minutes.
    Outage,
}

/// The first minutes are undisturbed.
const FAULT_AT: Duration = Duration::from_secs(150);
const OUTAGE: Duration = Duration::from_secs(120);

/// What was seen of one client.
#[derive(Default)]
pub(crate) struct Seen {
    /// Seconds since the start, and the uncertainty in ms.
    pub(crate) course: Vec<(f64, f64)>,
    pub(crate) readings: u64,
    pub(crate) outside: u64,
    /// Of the readings, those without a bound.
    pub(crate) errors: u64,
    pub(crate) packets: u64,
}

impl Seen {
    fn note(&mut self, at: Duration, bound: Option<(Duration, bool)>) {
        self.readings += 1;
        match bound {
            None => self.errors += 1,
            Some((uncertainty, outside)) => {
                self.course.push((at.as_secs_f64(), uncertainty.as_secs_f64() * 1e3));
                self.outside += u64::from(outside);
            }
        }
    }

    pub(crate) fn median(&self) -> f64 {
        let mut values: Vec<f64> = self.course.iter().map(|(_, ms)| *ms).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// A scenario that was played.
pub(crate) struct Played {
    pub(crate) scenario: Scenario,
    pub(crate) limit_ms: f64,
    pub(crate) ours: Seen,
    pub(crate) chrony: Seen,
}

/// The scenarios of the table.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let wan = Scenario {
        name: "",
        there: (8 * MS, 4 * MS),
        back: (8 * MS, 4 * MS),
        loss_permille: 0,
        poll: 4,
        drift: Drift::fixed_ppm(15),
        adapts: true,
        fault: Fault::None,
        pictured: false,
    };
    let default = Scenario { drift: Drift::default(), ..wan.clone() };
    let lan = (MS / 10, MS / 5);
    vec![
        Scenario {
            name: "10 ± 2 ms, fixed 15 ppm, one question in 16 s",
            adapts: false,
            ..wan.clone()
        },
        Scenario { name: "10 ± 2 ms, fixed 15 ppm", ..wan.clone() },
        Scenario { name: "10 ± 2 ms, default", ..default.clone() },
        Scenario {
            name: "0.2 ± 0.1 ms, 1 s polls, default",
            there: lan,
            back: lan,
            poll: 0,
            ..default.clone()
        },
        Scenario {
            name: "one server runs away by 200 ppm",
            fault: Fault::Ramp { ns_per_s: 200_000 },
            pictured: true,
            ..default.clone()
        },
        Scenario {
            name: "one server runs away by 1 ms/s",
            fault: Fault::Ramp { ns_per_s: 1_000_000 },
            ..default.clone()
        },
        Scenario {
            name: "one server steps by 15 ms",
            fault: Fault::Step { ns: 15_000_000 },
            ..default.clone()
        },
        Scenario {
            name: "100 % asymmetry, 0 and 20 ± 4 ms",
            there: (Duration::ZERO, Duration::ZERO),
            back: (16 * MS, 8 * MS),
            ..default.clone()
        },
        Scenario { name: "30 % loss each way", loss_permille: 300, ..default.clone() },
        Scenario {
            name: "a route becomes 10 ms longer, one way",
            fault: Fault::Route { longer: 10 * MS },
            ..default.clone()
        },
        Scenario { name: "an outage of two minutes", fault: Fault::Outage, ..default },
    ]
}

/// Plays them all at once for `length`; `None` without chronyd.
pub(crate) fn play(scenarios: Vec<Scenario>, length: Duration) -> Option<Vec<Played>> {
    require_chronyd()?;
    let lifetime = length + 120 * S;
    let servers: Vec<Chronyd> =
        (0..3).map(|_| start(Config::honest().lifetime(lifetime))).collect();
    let upstreams: Vec<SocketAddr> = servers.iter().map(Chronyd::addr).collect();
    let began = Instant::now();
    let played = thread::scope(|scope| {
        let upstreams = &upstreams;
        let running: Vec<_> = scenarios
            .into_iter()
            .enumerate()
            .map(|(seed, scenario)| {
                scope.spawn(move || scenario.play(seed as u64, upstreams, length))
            })
            .collect();
        while began.elapsed() < length {
            eprint!("\r{} of {} s", began.elapsed().as_secs(), length.as_secs());
            thread::sleep(S);
        }
        eprintln!();
        running.into_iter().map(|thread| thread.join().expect("a scenario")).collect()
    });
    Some(played)
}

fn start(config: Config) -> Chronyd {
    Chronyd::start(config).expect("chronyd starts")
}

impl Scenario {
    fn play(self, seed: u64, upstreams: &[SocketAddr], length: Duration) -> Played {
        // One relay a client and server: the same delays, drawn apart, and packets counted apart.
        let relays = |of: u64| -> Vec<Relay> {
            let path = |n: usize| self.path(seed * 100 + of * 10 + n as u64, n == 0);
            upstreams
                .iter()
                .enumerate()
                .map(|(n, up)| Relay::start(*up, path(n)).expect("a relay"))
                .collect()
        };
        let (for_ours, for_chrony) = (relays(0), relays(1));
        let began = Instant::now();
        let clock = for_ours
            .iter()
            .fold(SureClock::builder(), |builder, relay| builder.ntp(relay.addr().to_string()));
        let clock = clock
            .poll_interval(S * (1 << self.poll))
            .adapt_poll_interval(self.adapts)
            .drift(self.drift)
            .assume_root_fields_rounded_up()
            .start()
            .expect("a clock");
        let line = |relay: &Relay| {
            let poll = self.poll;
            format!(
                "server 127.0.0.1 port {} iburst minpoll {poll} maxpoll {poll}",
                relay.addr().port()
            )
        };
        let config = for_chrony[1..].iter().fold(
            Config::follower(for_chrony[0].addr()).poll(self.poll).lifetime(length + 120 * S),
            |config, relay| config.line(line(relay)),
        );
        let chrony = start(config);
        // The command watches one of them and draws it.
        let for_watch = if self.pictured { relays(2) } else { Vec::new() };
        let watch = self.pictured.then(|| watch(&for_watch, length));
        let (mut ours, mut theirs) = (Seen::default(), Seen::default());
        let mut stage = 0;
        while began.elapsed() < length {
            let at = began.elapsed();
            self.act(at, &mut stage, for_ours.iter().chain(&for_chrony));
            ours.note(at, reading(&clock));
            theirs.note(at, ntp_probe::ask(chrony.addr(), S).ok().and_then(bound_of_chrony));
            thread::sleep(if at < 10 * S { 20 * MS } else { 250 * MS });
        }
        if let Some(mut watch) = watch {
            watch.wait().expect("the command ends by itself");
        }
        let packets = |relays: &[Relay]| {
            relays.iter().map(|relay| relay.tally(Direction::Forward).arrived).sum()
        };
        (ours.packets, theirs.packets) = (packets(&for_ours), packets(&for_chrony));
        let limit_ms = (self.there.0 + self.back.0).as_secs_f64() * 1e3 / 2.0;
        Played { scenario: self, limit_ms, ours, chrony: theirs }
    }

    fn path(&self, seed: u64, first: bool) -> Path {
        let leg = |(delay, jitter)| Leg::delayed(delay).jitter(jitter).loss(self.loss_permille);
        let path = Path::clear().seed(seed).forward(leg(self.there)).backward(leg(self.back));
        let shift = match self.fault {
            Fault::Ramp { ns_per_s } if first => (ns_per_s, 0),
            Fault::Step { ns } if first => (0, ns),
            _ => return path,
        };
        path.rewrite(move |datagram, direction, since| {
            let since = since.saturating_sub(FAULT_AT);
            if direction == Direction::Backward && !since.is_zero() {
                let ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
                shift_server_stamps(datagram, ns / 1000 * shift.0 / 1_000_000 + shift.1);
            }
        })
    }

    /// What is done from outside, once each.
    fn act<'a>(&self, at: Duration, stage: &mut u32, relays: impl Iterator<Item = &'a Relay>) {
        let due = if *stage == 0 { FAULT_AT } else { FAULT_AT + OUTAGE };
        if at < due || *stage > 1 {
            return;
        }
        for relay in relays {
            match (self.fault, *stage) {
                (Fault::Route { longer }, 0) => relay.set(|path| path.backward.delay += longer),
                (Fault::Outage, 0) => relay.set(Path::cut),
                (Fault::Outage, _) => relay.set(Path::restore),
                _ => {}
            }
        }
        *stage += 1;
    }
}

/// The command, which draws what it sees a little before the end.
fn watch(relays: &[Relay], length: Duration) -> Child {
    let length = length.saturating_sub(2 * S).as_secs();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sureclock"));
    command
        .args(["watch", "--length", &format!("{length}s"), "--plot", WATCHED])
        .stdout(Stdio::null());
    relays.iter().for_each(|relay| {
        command.args(["--server", &relay.addr().to_string()]);
    });
    command.spawn().expect("the command starts")
}

/// Ours, chrony's and the limit of one scenario over time.
///
/// # Panics
///
/// Where the picture cannot be written.
pub(crate) fn draw(played: &Played) {
    let root = SVGBackend::new(DRAWN, (960, 420)).into_drawing_area();
    let end = played.ours.course.last().map_or(1.0, |(at, _)| *at);
    let (low, high) = (played.limit_ms * 0.9, played.limit_ms * 2.0);
    let inside = |course: &[(f64, f64)]| {
        course.iter().map(|(at, ms)| (*at, ms.min(high))).collect::<Vec<_>>()
    };
    let limit = [(0.0, played.limit_ms), (end, played.limit_ms)];
    let lines = [
        ("sureclock", BLUE, inside(&played.ours.course)),
        ("chrony: root delay / 2 + root dispersion", RED, inside(&played.chrony.course)),
        ("half of the shortest round trip", BLACK, limit.to_vec()),
    ];
    root.fill(&WHITE).expect("the picture");
    let mut chart = ChartBuilder::on(&root)
        .caption(
            format!("Uncertainty over three links of {}", played.scenario.name),
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, low..high)
        .expect("the picture");
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc("ms")
        .light_line_style(WHITE)
        .draw()
        .expect("the picture");
    for (name, color, line) in lines {
        let series = chart.draw_series(LineSeries::new(line, color)).expect("the picture");
        series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
    }
    let labels = &mut chart.configure_series_labels();
    labels
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()
        .expect("the picture");
    root.present().expect("the picture");
}

const WATCHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/watch.svg");
const DRAWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/uncertainty.svg");

/// The uncertainty, and whether the host's clock was outside all through the reading.
fn reading(clock: &SureClock) -> Option<(Duration, bool)> {
    let os = || SureClock::wall_time().assume_true();
    let (before, now, after): (Timestamp, _, Timestamp) = (os(), clock.now(), os());
    now.ok().map(|now| (now.uncertainty(), now.latest() < before || now.earliest() > after))
}

/// The same of what chronyd serves: its time, and half of its root delay and its root dispersion as
/// its error.
fn bound_of_chrony(answer: Answer) -> Option<(Duration, bool)> {
    let header = answer.header;
    if !header.synchronized() {
        return None;
    }
    let bound = header.root_delay() / 2 + header.root_dispersion();
    let ns = |later: u64, earlier: u64| {
        let apart = i64::from_ne_bytes(later.wrapping_sub(earlier).to_ne_bytes());
        (i128::from(apart) * 1_000_000_000) >> 32
    };
    // Its clock at the receipt was at most so far ahead, and at its answer at most so far behind.
    let ahead = ns(header.receive, ntp_stamp(answer.received));
    let behind = ns(ntp_stamp(answer.sent), header.transmit);
    let bound_ns = i128::try_from(bound.as_nanos()).unwrap_or(i128::MAX);
    Some((bound, ahead > bound_ns || behind > bound_ns))
}

/// The rows of the table in Markdown.
pub(crate) fn print(played: &[Played]) {
    println!(
        "| links, polls, drift | limit ms | ours ms | ours/limit | chrony ms | ours/chrony | outside: ours | chrony | without a bound: ours | chrony | packets: ours | chrony |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for Played { scenario, limit_ms, ours, chrony } in played {
        let (mine, theirs) = (ours.median(), chrony.median());
        println!(
            "| {} | {limit_ms:.2} | {mine:.3} | {:.2} | {theirs:.3} | {:.2} | {} of {} | {} of {} | {} | {} | {} | {} |",
            scenario.name,
            mine / limit_ms,
            mine / theirs,
            ours.outside,
            ours.readings,
            chrony.outside,
            chrony.readings,
            ours.errors,
            chrony.errors,
            ours.packets,
            chrony.packets,
        );
    }
}
