//! Synchronization, floor 4: when to ask whom, and what to publish.
//!
//! `machine` decides and is sans-IO; `schedule` is one source's calendar, `addresses` where it is
//! asked; `status` is what the outside may see; `thread` drives the machine with sockets (`net`),
//! names (`resolver`) and other sources (`worker`).

mod addresses;
mod machine;
#[cfg(not(target_family = "wasm"))]
mod net;
#[cfg(not(target_family = "wasm"))]
mod resolver;
mod schedule;
mod shared;
mod status;
#[cfg_attr(target_family = "wasm", path = "no_thread.rs")]
mod thread;
#[cfg(not(target_family = "wasm"))]
mod worker;

pub use machine::{Ask, AskId};
pub use status::{Counts, LearnedRate, Problem, SourceStatus, State, Status, Verdict};

pub(crate) use machine::{DomainSetup, Machine, MachineConfig, SourceSetup};
pub(crate) use shared::SharedMachine;
pub(crate) use thread::{Driver, Kind, SourcePlan, start};
