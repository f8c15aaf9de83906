//! The machine in a loop of your own: your sockets, your threads, the library's decisions. Offline.
//!
//! `cargo run --release --example own_loop`

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use sureclock::ntp::Exchange;
use sureclock::{Ask, Problem, SureClock};

mod support;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers: Vec<SocketAddr> =
        (0..3).map(|_| support::start_reference_server()).collect::<Result<_, _>>()?;
    let builder = servers.iter().fold(SureClock::builder(), |b, server| b.ntp(server.to_string()));
    let (clock, own_loop) = builder.poll_interval(Duration::from_millis(100)).own_loop()?;

    let end = Instant::now() + Duration::from_secs(1);
    let mut asked = 0;
    while Instant::now() < end {
        // 1. What is due? A machine decides; it has no socket and no clock of its own.
        while let Some(ask) = own_loop.next_ask() {
            asked += 1;
            // 2. Ask, in whichever way your program does input and output. Here: blocking, one
            //    after the other.
            own_loop.located(ask.source, servers[ask.source]);
            match exchange(&clock, &ask, servers[ask.source]) {
                Ok(facts) => own_loop.answered(ask.id, facts),
                Err(problem) => own_loop.failed(ask.id, problem),
            }
        }
        // 3. Come back when it says.
        let sleep = own_loop.wake_after();
        std::thread::sleep(sleep.min(end.saturating_duration_since(Instant::now())));
    }
    println!("{asked} exchanges in a second, in this program's own loop");
    println!("now {}", clock.now()?);
    println!("state {:?}", clock.status().state);
    Ok(())
}

fn exchange(clock: &SureClock, ask: &Ask, server: SocketAddr) -> Result<sureclock::Facts, Problem> {
    let network = |error: std::io::Error| Problem::Network(error.into());
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(network)?;
    socket.connect(server).map_err(network)?;
    socket.set_read_timeout(Some(ask.timeout)).map_err(network)?;
    // The reading before the request leaves is taken here, inside the call's arguments.
    let exchange =
        Exchange::begin(clock.monotonic(), ask.settings).map_err(|_| Problem::NoNonce)?;
    socket.send(&exchange.request()).map_err(network)?;
    let mut buffer = [0; 128];
    loop {
        let length = socket.recv(&mut buffer).map_err(|_| Problem::Timeout)?;
        match exchange.receive(&buffer[..length], clock.monotonic()) {
            Err(rejected) if !rejected.is_final() => {}
            judged => return judged.map_err(Problem::Rejected),
        }
    }
}
