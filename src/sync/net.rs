//! The sockets of the sync thread: a fresh connected one for each exchange, so that only its
//! server's datagrams arrive.

use super::synchronizer::AskId;
use crate::bound::Facts;
use crate::counter::Counter;
use crate::source::ntp::{Exchange, ExchangeSettings, LONGEST_REPLY};
use crate::sync::Problem;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// The exchanges under way.
pub(super) struct Net {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    open: Vec<Open>,
    next_token: usize,
}

struct Open {
    token: Token,
    ask: AskId,
    exchange: Exchange,
    socket: mio::net::UdpSocket,
    /// The last read ended before the socket was empty.
    unread: bool,
    errors: u32,
}

/// What came for an exchange.
pub(super) enum Outcome {
    /// It is over.
    Ended(AskId, Result<Facts, Problem>),
    /// This is no answer, and does not end it.
    Unusable(AskId, Problem),
}

impl Net {
    pub(super) fn new() -> std::io::Result<Net> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Net { poll, events: Events::with_capacity(64), waker, open: Vec::new(), next_token: 1 })
    }

    /// Ends a sleep from any thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Sends one request to `address`.
    pub(super) fn begin(
        &mut self,
        ask: AskId,
        address: SocketAddr,
        counter: &Counter,
        settings: ExchangeSettings,
    ) -> Result<(), Problem> {
        let network = |error: Error| Problem::Network(error.into());
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).map_err(network)?;
        socket.connect(address).map_err(network)?;
        socket.set_nonblocking(true).map_err(network)?;
        let_in_a_flood(&socket);
        let mut socket = mio::net::UdpSocket::from_std(socket);
        let token = Token(self.next_token);
        self.next_token = self.next_token.checked_add(1).unwrap_or(1);
        self.poll.registry().register(&mut socket, token, Interest::READABLE).map_err(network)?;
        let exchange = Exchange::begin(counter.read(), settings).map_err(|_| Problem::NoNonce)?;
        let sent = socket.send(&exchange.request()).map_err(network);
        if let Err(problem) = sent {
            // Nothing depends on it: a closed socket leaves the poll by itself.
            let _ = self.poll.registry().deregister(&mut socket);
            return Err(problem);
        }
        self.open.push(Open { token, ask, exchange, socket, unread: false, errors: 0 });
        Ok(())
    }

    /// Sleeps until a datagram, a wake or the end of `timeout`, and gives what the datagrams were
    /// to `outcome`.
    pub(super) fn wait(
        &mut self,
        timeout: Duration,
        counter: &Counter,
        mut outcome: impl FnMut(Outcome),
    ) {
        // An edge does not come again for what is there already.
        let timeout =
            if self.open.iter().any(|open| open.unread) { Duration::ZERO } else { timeout };
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout)) {
            // A signal. Anything else would come again at once: do not spin on it.
            if error.kind() != ErrorKind::Interrupted {
                std::thread::sleep(timeout.min(Duration::from_millis(10)));
            }
            return;
        }
        for event in &self.events {
            if let Some(open) = self.open.iter_mut().find(|open| open.token == event.token()) {
                open.unread = true;
            }
        }
        let registry = self.poll.registry();
        self.open.retain_mut(|open| {
            let ended = open.unread && open.read(counter, &mut outcome);
            if ended {
                let _ = registry.deregister(&mut open.socket);
            }
            !ended
        });
    }

    /// Closes the exchanges that nobody waits for any more.
    pub(super) fn retain(&mut self, awaited: impl Fn(AskId) -> bool) {
        let registry = self.poll.registry();
        self.open.retain_mut(|open| {
            let keep = awaited(open.ask);
            if !keep {
                let _ = registry.deregister(&mut open.socket);
            }
            keep
        });
    }
}

impl Open {
    /// Reads what is there, as much as a turn allows. True if the exchange is over.
    fn read(&mut self, counter: &Counter, outcome: &mut impl FnMut(Outcome)) -> bool {
        // One byte more than any answer, so that an oversized datagram is seen to be one.
        let mut buffer = [0; LONGEST_REPLY + 1];
        for _ in 0..DATAGRAMS_A_TURN {
            match self.socket.recv(&mut buffer) {
                Ok(length) => match self.exchange.receive(&buffer[..length], counter.read()) {
                    Err(rejected) if !rejected.is_final() => {
                        outcome(Outcome::Unusable(self.ask, Problem::Rejected(rejected)));
                    }
                    result => {
                        outcome(Outcome::Ended(self.ask, result.map_err(Problem::Rejected)));
                        return true;
                    }
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unread = false;
                    return false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The system reports that nobody listens there. Anyone can forge the message that
                // it had that from, so it does not end the exchange: an answer may still come.
                Err(error) => {
                    outcome(Outcome::Unusable(self.ask, Problem::Network(error.into())));
                    self.errors += 1;
                    if self.errors >= ERRORS_AN_EXCHANGE {
                        // One that comes at every call would keep the thread awake until the
                        // timeout.
                        self.unread = false;
                        return false;
                    }
                }
            }
        }
        // The rest in the next turn: a flood to this socket keeps neither the thread nor the answer
        // behind it.
        false
    }
}

/// Asks the system for as large a buffer as it gives, so that an answer behind a flood still fits.
/// (Linux gives 416 KiB by default, room for some 550 small datagrams; what comes beyond that,
/// before the thread runs, is lost.)
fn let_in_a_flood(_socket: &UdpSocket) {
    // Nothing depends on it.
    #[cfg(unix)]
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(_socket, LARGEST_BUFFER);
}

/// The size of the buffer that is asked for, in bytes; the system gives what it allows. Smaller: a
/// shorter flood makes an answer be lost. Larger: nothing, on systems as they are.
#[cfg(unix)]
const LARGEST_BUFFER: usize = 1 << 20;

/// Errors of a socket after which it is read only when something new arrives. Smaller: a few forged
/// errors delay the answer behind them. Larger: a socket that is broken keeps the thread awake.
const ERRORS_AN_EXCHANGE: u32 = 64;
/// Datagrams that are read of one socket before others get their turn. Smaller: more turns. Larger:
/// a flood to one socket delays the others.
const DATAGRAMS_A_TURN: u32 = 64;
const WAKE: Token = Token(0);

#[cfg(all(test, not(sureclock_loom), not(miri)))]
mod tests;
