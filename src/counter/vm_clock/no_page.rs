//! In place of `page` on platforms where this library reads no VM clock device.

use super::VmClockError;
use std::path::Path;

/// There is none.
#[derive(Debug)]
pub(super) enum Mapping {}

impl Mapping {
    pub(super) fn open(_path: &Path, _may_be_a_file: bool) -> Result<Mapping, VmClockError> {
        Err(VmClockError::Unsupported)
    }

    pub(super) fn u16_at(&self, _offset: usize) -> u16 {
        match *self {}
    }

    pub(super) fn u32_at(&self, _offset: usize) -> u32 {
        match *self {}
    }

    pub(super) fn u64_at(&self, _offset: usize) -> u64 {
        match *self {}
    }
}
