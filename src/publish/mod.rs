//! Publication, floor 2: the one way from the sync thread to every reader. *A reader never sees
//! torn parameters and never waits for the writer* lives here, and so do the atomics.
//!
//! `cell` is the lock-free latch, `codec` turns parameters into its words, `high_water` holds the
//! highest timestamp given out and `reserved` up to where a file covers them, each `per_epoch`;
//! `waiters` wakes those who want to know of a publication, `pending` holds those who wait for a
//! point in time.

mod atomics;
mod cell;
mod codec;
mod high_water;
mod pending;
mod per_epoch;
mod reserved;
mod waiters;

pub(crate) use cell::{Cell, Publisher, channel};
pub(crate) use codec::{
    Content, Outline, Publication, QUICK_WORDS, Spell, WORDS, outline, quick, spell,
};
pub(crate) use high_water::HighWater;
pub(crate) use pending::{Pending, PendingKey};
pub(crate) use per_epoch::PerEpoch;
pub(crate) use reserved::{Reserved, Turn};
pub(crate) use waiters::{Waiters, WakerKey, wake};
