//! sureclock
mod bound;
mod time;
pub use bound::*;
pub use time::*;
