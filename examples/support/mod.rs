//! Reference NTP servers on loopback for the examples, and clocks over them. A server takes this
//! machine's OS clock for true time, ± 100 µs.
#![allow(dead_code, reason = "each example uses a part of it")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use sureclock::ntp::{ServerIdentity, respond};
use sureclock::{SureClock, TimeInterval, Timescale};

/// Starts a server in this process; it runs until the process ends.
pub(crate) fn start_reference_server() -> std::io::Result<SocketAddr> {
    start(Duration::ZERO, Duration::ZERO, Duration::ZERO)
}

/// Starts a machine's clock over three such servers of its own, and waits until it has an interval.
pub(crate) fn start_clock() -> Result<SureClock, Box<dyn std::error::Error>> {
    let mut builder = SureClock::builder().poll_interval(Duration::from_secs(1));
    for _ in 0..3 {
        builder = builder.ntp(start_reference_server()?.to_string());
    }
    let clock = builder.start()?;
    clock.wait_synchronized(Duration::from_secs(10))?;
    Ok(clock)
}

/// Starts one whose time is ahead, and who says nothing of it.
pub(crate) fn start_liar(ahead: Duration) -> std::io::Result<SocketAddr> {
    start(Duration::ZERO, Duration::ZERO, ahead)
}

/// Starts one that questions take `there` to reach and answers `back` to come from. One question at
/// a time.
pub(crate) fn start_reference_server_behind(
    there: Duration,
    back: Duration,
) -> std::io::Result<SocketAddr> {
    start(there, back, Duration::ZERO)
}

fn start(there: Duration, back: Duration, ahead: Duration) -> std::io::Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            std::thread::sleep(there);
            let (Some(received), Some(transmitted)) = (os_time(ahead), os_time(ahead)) else {
                continue;
            };
            if let Ok(reply) =
                respond(&buffer[..length], &received, &transmitted, &ServerIdentity::default())
            {
                std::thread::sleep(back);
                let _ = socket.send_to(&reply, client);
            }
        }
    });
    Ok(address)
}

fn os_time(ahead: Duration) -> Option<TimeInterval> {
    let half = Duration::from_micros(100);
    let now = SureClock::wall_time().assume_true().checked_add(ahead)?;
    TimeInterval::new(now.checked_sub(half)?, now.checked_add(half)?, Timescale::Utc).ok()
}
