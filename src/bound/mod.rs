//! The arithmetic of the bound: floor 1, pure functions of integers. *True time is inside* lives
//! here and nowhere else.
//!
//! | formula | symbol (DESIGN/RFC 5905) | function | source |
//! |---|---|---|---|
//! | upper fact `t(c1) <= T2 + B` | T2, B | [`exchange::Stamps::facts`] | causality: not received before it was sent |
//! | lower fact `t(c4) >= T3 - B` | T3, B | [`exchange::Stamps::facts`] | the same, on the way back |
//! | root bound `B` | root delay/2 + root dispersion + 2^precision + 1.5 * 2^-16 s | [`exchange::root_bound_ns`] | RFC 5905 section 11.2, 7.3 |
//! | ageing forward | `L + (1-k) dx`, `U + (1+k) dx` | [`lines`] | assumption (R) |
//! | ageing backward | `E0 - (1+k) dx`, `L0 - (1-k) dx` | [`lines`] | assumption (R) |
//! | source bound | max of lower facts, min of upper facts | [`window::Window::bound`] | intersection of true statements |
//! | agreement | hull of the points covered by n'-f of n' | [`agree::agree`] | assumption (S); Marzullo 1984 with fixed f |
//! | certified mean rate | `(lower_b - upper_a)/(n + m)` to `(upper_b - lower_a)/(n - m)` | [`learned_rate::Learner::note`] | agreed intervals |
//! | excess over (R) | three such means, one after the other | [`excess::Excess::note`] | agreed intervals |
//! | learned slopes | certified mean +- wander, intersected with (R), until the horizon | [`slopes`], [`learned_rate`] | assumption (W) |
//! | leap second | `max(u-1, min(u, M-1))`, `u` or `u+1` | [`leap::Leap`] | all conventions there are |
//! | published bound | later agreement intersected with the aged earlier ones | [`params::Params::refine`] | (R) |
//!
//! Every lower bound is rounded down and every upper bound up; a bound that does not fit is an
//! error.

pub(crate) mod agree;
pub(crate) mod excess;
pub(crate) mod exchange;
pub(crate) mod leap;
pub(crate) mod learned_rate;
pub(crate) mod lines;
pub(crate) mod outcome;
pub(crate) mod params;
pub(crate) mod quick;
pub(crate) mod slopes;
pub(crate) mod window;

#[cfg(test)]
pub(crate) mod vectors;

pub use exchange::{Facts, FactsError, LeapAnnouncement};
pub use outcome::{AtError, DisruptionReason, NowError};
