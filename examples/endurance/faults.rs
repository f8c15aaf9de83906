//! What the servers and the network do during the run: turns of faults, with a rest after each lie.
//!
//! At most one server is wrong within any window (assumption (S) with f = 1): a turn has one liar,
//! and after it nobody lies for longer than the window and the longest exchange together, so its
//! facts are gone when the next begins. Outages and moves are no wrong facts and may overlap with
//! anything.

use crate::support::chronyd::{Chronyd, Config};
use crate::support::relay::{Direction, Path, Relay, shift_server_stamps};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// A daemon with its relay, through which it lies, moves and is cut off.
struct Server {
    daemon: Chronyd,
    relay: Relay,
    /// Added to its stamps, in ns. Pairs with nothing: sooner or later is the same.
    lie_ns: Arc<AtomicI64>,
}

/// All servers, and one more where others move to.
pub(crate) struct Servers {
    servers: Vec<Server>,
    spare: Chronyd,
    twin: bool,
}

/// The lengths of a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) lie: Duration,
    pub(crate) rest: Duration,
}

impl Turn {
    /// As short as `window` allows.
    pub(crate) fn for_window(window: Duration) -> Turn {
        Turn { lie: window * 4 / 5, rest: window + LONGEST_EXCHANGE }
    }
}

impl Servers {
    /// Starts them. `twin`: two lie at a time and alike, which is one too many.
    pub(crate) fn start(lifetime: Duration, twin: bool) -> std::io::Result<Servers> {
        let daemon = || {
            let mut daemon = Chronyd::start(Config::honest().lifetime(lifetime))?;
            daemon.wait_until_serving(Duration::from_secs(20))?;
            Ok::<_, std::io::Error>(daemon)
        };
        let mut servers = Vec::new();
        for seed in 0..SERVERS {
            let daemon = daemon()?;
            let lie_ns = Arc::new(AtomicI64::new(0));
            let lie = Arc::clone(&lie_ns);
            let mut path = Path::clear().seed(seed).rewrite(move |datagram, direction, _| {
                if direction == Direction::Backward {
                    shift_server_stamps(datagram, lie.load(Ordering::Relaxed));
                }
            });
            (path.forward.jitter, path.backward.jitter) =
                (Duration::from_micros(500), Duration::from_millis(1));
            (path.forward.loss_permille, path.backward.duplicate_permille) = (20, 20);
            servers.push(Server { relay: Relay::start(daemon.addr(), path)?, daemon, lie_ns });
        }
        Ok(Servers { servers, spare: daemon()?, twin })
    }

    /// Where clients ask.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.relay.addr()).collect()
    }

    /// Plays turn `number` until it or `end` is over; answers with what it was.
    pub(crate) fn run(
        &mut self,
        number: usize,
        turn: Turn,
        end: Instant,
    ) -> std::io::Result<String> {
        let of = |step: usize| (number + step) % self.servers.len();
        let (liar, second, stopped, moved) = (of(0), of(1), of(2), of(3));
        let kind = LIES[number / self.servers.len() % LIES.len()];
        let until = |length: Duration| {
            std::thread::sleep(length.min(end.saturating_duration_since(Instant::now())))
        };
        let mut what = format!("server {liar} lies ({})", kind.name);
        let began = Instant::now();
        if number % 4 == 3 {
            // For the whole turn; back at the start of the next one.
            self.servers[moved].relay.move_to(self.spare.addr());
            what.push_str(&format!(", server {moved} moves"));
        } else {
            self.servers[stopped].daemon.stop();
            what.push_str(&format!(", server {stopped} is stopped and restarted"));
        }
        while began.elapsed() < turn.lie && Instant::now() < end {
            let lie_ns = (kind.ns)(began.elapsed());
            self.servers[liar].lie_ns.store(lie_ns, Ordering::Relaxed);
            if self.twin {
                self.servers[second].lie_ns.store(lie_ns, Ordering::Relaxed);
            }
            std::thread::sleep(STEP);
        }
        for server in &self.servers {
            server.lie_ns.store(0, Ordering::Relaxed);
        }
        let truth_again = Instant::now();
        if number % 4 == 3 {
            let home = self.servers[moved].daemon.addr();
            self.servers[moved].relay.move_to(home);
        } else {
            self.servers[stopped].daemon.restart()?;
        }
        if number % 8 == 5 {
            // Longer than the window: all facts are gone, the last agreement ages on.
            what.push_str(", then all are cut off");
            self.servers.iter().for_each(|server| server.relay.set(Path::cut));
            until(turn.rest);
            self.servers.iter().for_each(|server| server.relay.set(Path::restore));
        } else if number % 8 == 2 {
            what.push_str(&format!(", then server {second} is away"));
            self.servers[second].relay.set(Path::cut);
            until(turn.rest);
            self.servers[second].relay.set(Path::restore);
        }
        until(turn.rest.saturating_sub(truth_again.elapsed()));
        Ok(what)
    }
}

#[derive(Clone, Copy)]
struct Lie {
    name: &'static str,
    ns: fn(Duration) -> i64,
}

/// Servers lie in turn; after each round the next way of lying is theirs.
const LIES: [Lie; 7] = [
    Lie { name: "500 ms ahead", ns: |_| 500_000_000 },
    Lie { name: "3 ms behind", ns: |_| -3_000_000 },
    Lie { name: "runs 1000 ppm fast", ns: |since| i64::try_from(since.as_micros()).unwrap_or(0) },
    Lie {
        name: "flips by 50 ms",
        ns: |since| if since.as_millis() / 700 % 2 == 0 { 50_000_000 } else { -50_000_000 },
    },
    Lie { name: "300 us ahead", ns: |_| 300_000 },
    Lie { name: "12 years ahead", ns: |_| 12 * 365 * 86_400 * 1_000_000_000 },
    Lie { name: "an hour behind", ns: |_| -3_600_000_000_000 },
];

const SERVERS: u64 = 4;
/// Between two looks at how far the liar is off by now.
const STEP: Duration = Duration::from_millis(50);
/// A lie that left its server just before the end of a turn is read this much later at most: the
/// timeout of an exchange, and as much again for a machine that is busy.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(2);
