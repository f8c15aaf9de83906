//! Synchronization, floor 4: when to ask whom, and what to publish.
//!
//! `synchronizer` decides and is sans-IO; `schedule` is one source's calendar, `addresses` where it
//! is asked; `status` is what the outside may see; `thread` drives the synchronizer with sockets
//! (`net`), names (`resolver`) and other sources (`worker`).

mod addresses;
mod locked;
#[cfg(not(target_family = "wasm"))]
mod net;
#[cfg(not(target_family = "wasm"))]
mod resolver;
mod schedule;
mod status;
mod synchronizer;
#[cfg_attr(target_family = "wasm", path = "no_thread.rs")]
mod thread;
#[cfg(not(target_family = "wasm"))]
mod worker;

pub use status::{Counts, LearnedRate, Problem, SourceStatus, State, Status, Verdict};
pub use synchronizer::{Ask, AskId};

pub(crate) use locked::SharedSynchronizer;
pub(crate) use synchronizer::{
    CounterModel, DomainSetup, SourceSetup, Synchronizer, SynchronizerConfig,
};
pub(crate) use thread::{Driver, Kind, SourcePlan, start};
