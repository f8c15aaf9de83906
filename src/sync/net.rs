//! The sockets of the sync thread: a fresh connected one for each exchange, so that only its server's datagrams arrive.

use super::machine::AskId;
use crate::bound::Facts;
use crate::counter::Counter;
use crate::source::ntp::{Exchange, ExchangeSettings, Rejected};
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
}

/// What came of an exchange.
pub(super) type Outcome = (AskId, Result<Facts, Problem>);

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
        self.open.push(Open { token, ask, exchange, socket });
        Ok(())
    }

    /// Sleeps until a datagram, a wake or the end of `timeout`, and gives what the datagrams were to `outcome`.
    pub(super) fn wait(&mut self, timeout: Duration, counter: &Counter, mut outcome: impl FnMut(Outcome)) {
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout)) {
            // A signal. Anything else would come again at once: do not spin on it.
            if error.kind() != ErrorKind::Interrupted {
                std::thread::sleep(timeout.min(Duration::from_millis(10)));
            }
            return;
        }
        for event in &self.events {
            let Some(at) = self.open.iter().position(|open| open.token == event.token()) else { continue };
            if let Some(result) = self.open[at].read(counter) {
                let mut open = self.open.swap_remove(at);
                let _ = self.poll.registry().deregister(&mut open.socket);
                outcome((open.ask, result));
            }
        }
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
    /// Reads what is there. `None`: nothing that ends the exchange.
    fn read(&self, counter: &Counter) -> Option<Result<Facts, Problem>> {
        // Larger than any answer, so that an oversized datagram is seen to be one.
        let mut buffer = [0; 128];
        // Bounded, so that a flood of garbage to this socket cannot keep the thread.
        for _ in 0..64 {
            match self.socket.recv(&mut buffer) {
                Ok(length) => match self.exchange.receive(&buffer[..length], counter.read()) {
                    Ok(facts) => return Some(Ok(facts)),
                    Err(rejected) if rejected.is_final() => return Some(Err(Problem::Rejected(rejected))),
                    Err(Rejected::Length { .. } | Rejected::NotAServersReply { .. } | Rejected::ForeignOrigin) => {}
                    Err(_) => {}
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The server's host says that nobody listens there.
                Err(error) => return Some(Err(Problem::Network(error.into()))),
            }
        }
        // Still readable: an edge will not come again for what is there already, so the exchange is given up.
        Some(Err(Problem::Timeout))
    }
}

const WAKE: Token = Token(0);
