//! Kinds of time that cannot be mixed: floor 0, values only; nothing here reads a clock.
//!
//! | type | says | comes from |
//! |---|---|---|
//! | [`Timestamp`] | one point, nanoseconds since the Unix epoch | a clock's bound, a log, a peer |
//! | [`TimeInterval`] | true time was between two timestamps | [`SureClock::now`](crate::SureClock::now) |
//! | [`MonotonicTime`] | one reading of this machine's counter | [`SureClock::monotonic`](crate::SureClock::monotonic) |
//! | [`HybridTimestamp`] | one event of many machines, in an order that keeps cause before effect | [`HybridClock::stamp`](crate::HybridClock::stamp) |
//! | [`WallTime`] | what the operating system believes | [`SureClock::wall_time`](crate::SureClock::wall_time) |
//!
//! Conversions between kinds are named calls that can fail; there is no `From` between them. Each
//! pair below shows a mixture that does not compile beside the twin that does.
//!
//! A monotonic reading is no timestamp:
//!
//! ```compile_fail,E0308
//! # let interval = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! let (clock, _time) = sureclock::SureClock::manual(interval);
//! clock.after(clock.monotonic());
//! ```
//!
//! ```
//! # let interval = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! let (clock, _time) = sureclock::SureClock::manual(interval);
//! let read_at = clock.at(clock.monotonic())?;
//! clock.after(read_at.earliest())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The operating system's guess is no timestamp:
//!
//! ```compile_fail,E0308
//! # let interval = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! interval.contains(sureclock::SureClock::wall_time());
//! ```
//!
//! ```
//! # let interval = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! interval.contains(sureclock::SureClock::wall_time().assume_true());
//! ```
//!
//! Intervals that overlap have no order, so they cannot be compared with `<`:
//!
//! ```compile_fail,E0369
//! # let a = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! # let b = a;
//! if a < b {}
//! ```
//!
//! ```
//! # let a = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! # let b = a;
//! if a.order(&b)? == sureclock::Order::Before {}
//! # Ok::<(), sureclock::TimescaleMismatch>(())
//! ```
//!
//! A monotonic reading means nothing on another machine, so it cannot be sent:
//!
//! ```compile_fail,E0277
//! # let interval = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! fn send(_: impl std::fmt::Display) {}
//! let (clock, _time) = sureclock::SureClock::manual(interval);
//! send(clock.monotonic());
//! ```
//!
//! ```
//! # let interval = "2026-11-23T11:03:00Z ± 1 ms".parse::<sureclock::TimeInterval>().unwrap();
//! fn send(_: impl std::fmt::Display) {}
//! let (clock, _time) = sureclock::SureClock::manual(interval);
//! send(clock.now()?);
//! # Ok::<(), sureclock::NowError>(())
//! ```

mod convert;
mod drift;
mod hybrid_timestamp;
mod interval;
mod monotonic;
mod scale;
mod text;
mod timescale;
mod timestamp;
mod wall;
#[cfg(feature = "serde")]
pub(crate) mod wire;

pub use convert::ConvertError;
pub use drift::Drift;
pub use hybrid_timestamp::HybridTimestamp;
pub use interval::{InvertedInterval, Order, TimeInterval, TimescaleMismatch};
pub use monotonic::{CounterId, Elapsed, MonotonicTime};
pub use text::ParseTimeError;
pub use timescale::Timescale;
pub use timestamp::Timestamp;
pub use wall::{WallError, WallTime};

pub(crate) use drift::{RateBound, compose};
pub(crate) use scale::{TickBounds, TickScale};
