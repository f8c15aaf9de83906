//! A UDP relay between NTP clients and one server, inside the test's process: the stand-in for
//! netem.
//!
//! One thread hears the clients, one thread per client hears the server, one thread sends what is
//! due. What happens to a datagram is decided in `path.rs`. The relay talks to loopback only.
//!
//! Rules of the file:
//! - A datagram leaves at or after its due time, never before. How much after is up to the
//!   scheduler of the machine.
//! - Each client address has an upstream socket of its own, so the server's answers find their way
//!   back, and a client that asks from a fresh socket each time is forgotten soon.
//! - Every wait ends within [`HEARTBEAT`], so that dropping the relay takes about as long.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::path::Fate;
pub(crate) use super::path::{Direction, Leg, Path, Tally, shift_server_stamps};

/// A running relay; it stops when dropped.
pub(crate) struct Relay {
    addr: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Listens on an own port of 127.0.0.1 and passes on to `upstream` along `path`.
    pub(crate) fn start(upstream: SocketAddr, path: Path) -> io::Result<Self> {
        if !upstream.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the relay talks to loopback only",
            ));
        }
        let listener = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_read_timeout(Some(HEARTBEAT))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            started: Instant::now(),
            upstream: Mutex::new(upstream),
            listener,
            fate: Mutex::new(Fate::new(path)),
            queue: Mutex::default(),
            queue_changed: Condvar::new(),
        });
        let mut relay = Self { addr, shared: Arc::clone(&shared), threads: Vec::new() };
        let sender = Arc::clone(&shared);
        relay.threads.push(
            thread::Builder::new()
                .name("relay-send".into())
                .spawn(move || sender.send_what_is_due())?,
        );
        relay.threads.push(
            thread::Builder::new()
                .name("relay-forward".into())
                .spawn(move || hear_clients(&shared))?,
        );
        Ok(relay)
    }

    /// Where clients send to instead of the server.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the path for every datagram that arrives from now on; those on their way keep their
    /// fate.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Path)) {
        change(&mut lock(&self.shared.fate).path);
    }

    /// Passes on to another server from now on, as when a name gets a new address; flows that began
    /// before stay.
    ///
    /// # Panics
    /// If it is not on loopback.
    pub(crate) fn move_to(&self, upstream: SocketAddr) {
        assert!(upstream.ip().is_loopback(), "the relay talks to loopback only");
        *lock(&self.shared.upstream) = upstream;
    }

    /// What happened so far in one direction.
    pub(crate) fn tally(&self, direction: Direction) -> Tally {
        lock(&self.shared.fate).tally(direction)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.queue_changed.notify_all();
        for thread in self.threads.drain(..) {
            // A panic in a thread has printed its message; the test learns of it from the poisoned
            // lock below.
            let _ = thread.join();
        }
        let rewrite_panicked = self.shared.fate.is_poisoned();
        assert!(
            !rewrite_panicked || thread::panicking(),
            "the rewriting of a datagram panicked; see above"
        );
    }
}

/// What the threads share. The atomic pairs with nothing: it is a wish to stop, and joining orders
/// the rest.
struct Shared {
    stop: AtomicBool,
    started: Instant,
    upstream: Mutex<SocketAddr>,
    listener: UdpSocket,
    fate: Mutex<Fate>,
    queue: Mutex<Queue>,
    queue_changed: Condvar,
}

#[derive(Default)]
struct Queue {
    departures: BinaryHeap<Reverse<Departure>>,
    numbered: u64,
}

/// A datagram with its due time. The order is that of due times, then that of arrival.
struct Departure {
    due: Instant,
    number: u64,
    datagram: Vec<u8>,
    to: To,
}

#[derive(Clone)]
enum To {
    Server(Arc<UdpSocket>),
    Client(SocketAddr),
}

impl Shared {
    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Decides on a datagram that has just arrived and queues what becomes of it. Answers with the
    /// last due time.
    fn accept(&self, datagram: &[u8], arrived: Instant, direction: Direction, to: &To) -> Instant {
        let since_start = arrived.saturating_duration_since(self.started);
        let leaving = lock(&self.fate).decide(datagram.to_vec(), direction, since_start);
        let mut last_due = arrived;
        let mut queue = lock(&self.queue);
        for (delay, datagram) in leaving {
            let due = arrived + delay;
            last_due = last_due.max(due);
            queue.numbered += 1;
            let number = queue.numbered;
            queue.departures.push(Reverse(Departure { due, number, datagram, to: to.clone() }));
        }
        drop(queue);
        self.queue_changed.notify_one();
        last_due
    }

    fn send_what_is_due(&self) {
        let mut queue = lock(&self.queue);
        while !self.stopping() {
            let until_next = match queue.departures.peek() {
                None => HEARTBEAT,
                Some(Reverse(next)) => next.due.saturating_duration_since(Instant::now()),
            };
            if !until_next.is_zero() {
                let wait = until_next.min(HEARTBEAT);
                queue = self
                    .queue_changed
                    .wait_timeout(queue, wait)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            if let Some(Reverse(Departure { datagram, to, .. })) = queue.departures.pop() {
                drop(queue);
                // A datagram nobody takes is lost, as on a real network.
                let _ = match to {
                    To::Server(socket) => socket.send(&datagram),
                    To::Client(client) => self.listener.send_to(&datagram, client),
                };
                queue = lock(&self.queue);
            }
        }
    }
}

/// Hears the clients, keeps the table of their flows, and waits for the flows' threads at the end.
fn hear_clients(shared: &Arc<Shared>) {
    let mut flows: HashMap<SocketAddr, Flow> = HashMap::new();
    let mut retired: Vec<JoinHandle<()>> = Vec::new();
    let mut buffer = [0; LARGEST_DATAGRAM];
    while !shared.stopping() {
        let heard = hear(|| shared.listener.recv_from(&mut buffer));
        let now = Instant::now();
        for (_, flow) in flows.extract_idle(now) {
            retired.push(flow.retire());
        }
        retired.retain(|thread| !thread.is_finished());
        let Some((length, client)) = heard else { continue };
        if !flows.contains_key(&client) {
            if flows.len() == MOST_FLOWS {
                retired.extend(flows.extract_oldest().map(Flow::retire));
            }
            let upstream = *lock(&shared.upstream);
            let Ok(flow) = Flow::start(shared, upstream, client, now) else { continue };
            flows.insert(client, flow);
        }
        if let Some(flow) = flows.get_mut(&client) {
            let to = To::Server(Arc::clone(&flow.socket));
            let last_due = shared.accept(&buffer[..length], now, Direction::Forward, &to);
            flow.busy_until = flow.busy_until.max(last_due);
        }
    }
    retired.extend(flows.into_values().map(Flow::retire));
    for thread in retired {
        // Its panic message is printed, and the poisoned lock tells `Relay::drop`.
        let _ = thread.join();
    }
}

/// One client address with the socket that asks the server on its behalf.
struct Flow {
    socket: Arc<UdpSocket>,
    retired: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    /// When its last datagram leaves for the server; after that it may fall idle.
    busy_until: Instant,
}

impl Flow {
    fn start(
        shared: &Arc<Shared>,
        upstream: SocketAddr,
        client: SocketAddr,
        now: Instant,
    ) -> io::Result<Self> {
        let socket = match upstream {
            SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
            SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?,
        };
        socket.connect(upstream)?;
        socket.set_read_timeout(Some(HEARTBEAT))?;
        let socket = Arc::new(socket);
        let retired = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("relay-backward".into()).spawn({
            let (shared, socket, retired) =
                (Arc::clone(shared), Arc::clone(&socket), Arc::clone(&retired));
            move || {
                let mut buffer = [0; LARGEST_DATAGRAM];
                while !retired.load(Ordering::Relaxed) && !shared.stopping() {
                    if let Some(length) = hear(|| socket.recv(&mut buffer)) {
                        shared.accept(
                            &buffer[..length],
                            Instant::now(),
                            Direction::Backward,
                            &To::Client(client),
                        );
                    }
                }
            }
        })?;
        Ok(Self { socket, retired, thread, busy_until: now })
    }

    fn retire(self) -> JoinHandle<()> {
        self.retired.store(true, Ordering::Relaxed);
        self.thread
    }
}

trait Flows {
    fn extract_idle(&mut self, now: Instant) -> Vec<(SocketAddr, Flow)>;
    fn extract_oldest(&mut self) -> Option<Flow>;
}

impl Flows for HashMap<SocketAddr, Flow> {
    fn extract_idle(&mut self, now: Instant) -> Vec<(SocketAddr, Flow)> {
        let idle = |flow: &Flow| now.saturating_duration_since(flow.busy_until) > FORGET_AFTER;
        let clients: Vec<SocketAddr> =
            self.iter().filter(|(_, flow)| idle(flow)).map(|(client, _)| *client).collect();
        clients.iter().filter_map(|client| self.remove_entry(client)).collect()
    }

    fn extract_oldest(&mut self) -> Option<Flow> {
        let oldest =
            self.iter().min_by_key(|(_, flow)| flow.busy_until).map(|(client, _)| *client)?;
        self.remove(&oldest)
    }
}

/// One attempt to receive. None is a wait that ended or an error that concerns a single datagram.
fn hear<T>(receive: impl FnOnce() -> io::Result<T>) -> Option<T> {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    match receive() {
        Ok(heard) => Some(heard),
        Err(error) => {
            // "Refused" comes from a server that is gone; anything unknown might last, and must not
            // spin.
            if !matches!(
                error.kind(),
                ConnectionRefused | ConnectionReset | Interrupted | TimedOut | WouldBlock
            ) {
                thread::sleep(HEARTBEAT);
            }
            None
        }
    }
}

/// Takes the lock even after a panic elsewhere: stopping in order matters more, and `Relay::drop`
/// reports the panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartialEq for Departure {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Departure {}

impl PartialOrd for Departure {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Departure {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

/// The longest wait between two looks at the wish to stop. Shorter: more wake-ups of idle threads;
/// longer: a slow drop.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// How long the server may take to answer. Shorter: late answers are lost; longer: more idle
/// threads, one per client.
const FORGET_AFTER: Duration = Duration::from_secs(3);

/// Clients served at once; the one silent longest gives way. A client with fresh sockets at 20
/// questions a second holds about 60. Fewer: busy clients push each other out; more: as many
/// threads.
const MOST_FLOWS: usize = 64;

/// Bytes of a datagram that pass whole; an NTP reply has 48, with extensions some hundred. Longer
/// ones are cut off.
const LARGEST_DATAGRAM: usize = 2048;
