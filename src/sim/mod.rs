//! A simulated world, for tests: true time is known, so what a clock says can be checked against
//! it.
//!
//! The clocks in it are the production code: the packets and their judgement, the synchronizer, the
//! arithmetic, publication and what users call. Simulated are the counter, the network, the
//! servers, and the loop of the sync thread, which is written again step by step (names, other
//! sources' threads and socket errors are not in it). One seed is one world on every platform.
//!
//! - [`World`]: true time, machines, servers; [`advance`](World::advance) lets time pass,
//!   [`check`](World::check) reads a clock and checks the laws;
//! - [`Host`]: a machine, with its [`Oscillator`] and its counter;
//! - [`Server`]: honest, at the edge of honesty, or a liar ([`ClockError`]), with or without
//!   manners ([`Reply`]);
//! - [`Path`] and [`Delay`]: what the network does;
//! - stops, suspends, jumps, steps: methods of [`World`], also in the middle of a reading
//!   ([`in_next_reading`](World::in_next_reading));
//! - [`agreement`]: what sources say together, by itself.
//!
//! # Examples
//!
//! One of three servers lies by half a second, and the machine is suspended:
//!
//! ```
//! use std::time::Duration;
//! use sureclock::sim::{Host, Server, ClockError, World};
//!
//! let mut world = World::new(7);
//! world.server("a", Server::honest());
//! world.server("b", Server::honest());
//! world.server("liar", Server::honest().error(ClockError::Fixed { ns: 500_000_000 }));
//! let clock = world.clock(Host::named("east"))?;
//! world.advance(Duration::from_secs(60));
//! assert!(clock.now()?.contains(world.true_time()));
//!
//! world.suspend(&clock, Duration::from_secs(3600));
//! world.advance(Duration::from_secs(3600) + Duration::from_millis(200));
//! // Seen at the next look: an error or a new bound, and never the old one.
//! world.check(&clock)?.ok();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//!
//! A scheduler of threads: a world is one thread, and between two steps of it everything else
//! stands still. Interleavings of the lock-free cell are loom's matter. A stall can come between
//! any two steps of the sync thread, and in the middle of a reading. Nor a test of the sync thread
//! itself: that has real sockets in its tests.

mod agreement;
mod calendar;
mod dice;
mod driver;
mod faults;
mod host;
mod laws;
mod local;
mod moment;
mod oscillator;
mod path;
mod server;
mod trace;
mod world;

#[cfg(all(test, not(sureclock_loom)))]
mod tests;

pub use agreement::{Agreed, DomainBound, agreement};
pub use dice::Dice;
pub use faults::ReadPoint;
pub use host::Host;
pub use laws::{Exchanged, Law, Violation};
pub use oscillator::Oscillator;
pub use path::{Delay, Path};
pub use server::{ClockError, Reply, Server};
pub use world::World;
