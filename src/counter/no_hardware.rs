//! In place of `hardware` on platforms where this library reads no counter of the processor.

use super::calibration::{Calibration, Pair};
use std::fmt;

/// There is none.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) calibration: Calibration,
    pub(super) margin: u64,
    pub(super) cores: Vec<usize>,
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NONE)
    }
}

pub(super) fn certify(
    _forced: bool,
    _raw_step_ns: u64,
    _may_move: bool,
) -> Result<Certificate, &'static str> {
    Err(NONE)
}

pub(super) fn ticks_after(_loaded: u64) -> u64 {
    u64::MAX
}

pub(super) fn ticks_unordered() -> u64 {
    u64::MAX
}

pub(super) fn is_clock_source() -> Option<bool> {
    None
}

/// Of the cores of a hardware counter.
#[derive(Debug)]
pub(super) enum Survey {}

impl Survey {
    pub(super) fn new() -> Option<Survey> {
        None
    }

    pub(super) fn cores(&self) -> &[usize] {
        match *self {}
    }
}

pub(super) fn is_all_of(_known: &[usize]) -> bool {
    true
}

pub(super) fn forget_margin() {}

pub(super) fn are_within(_margin: u64, survey: &mut Survey) -> bool {
    match *survey {}
}

pub(super) fn pair() -> Pair {
    Pair { before: 0, raw_ns: 0, after: u64::MAX }
}

const NONE: &str = "no hardware counter is known on this platform";
