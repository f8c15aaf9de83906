//! A page that a hypervisor writes, mapped to be read.
//!
//! Loads are relaxed atomic ones: of up to eight bytes they are defined for memory that is mapped
//! to be read only, and no other kind is (`std::sync::atomic`, *Atomic accesses to read-only
//! memory*). Their order is the caller's, by fences.

use super::VmClockError;
use rustix::fs::{Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

/// A mapping of one page, for as long as this lives.
#[derive(Debug)]
pub(super) struct Mapping(NonNull<c_void>);

// SAFETY: the page is only read, by atomic loads, and is unmapped once, by the one owner's drop.
#[allow(unsafe_code)]
unsafe impl Send for Mapping {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first page of a device, or of a file that is at least as long, if it may be one.
    #[allow(unsafe_code)]
    pub(super) fn open(path: &Path, may_be_a_file: bool) -> Result<Mapping, VmClockError> {
        let system =
            |error: rustix::io::Errno| VmClockError::System(std::io::Error::from(error).into());
        let file = rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        );
        let file = file.map_err(system)?;
        let stat = rustix::fs::fstat(&file).map_err(system)?;
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        if !(kind.is_char_device() || kind.is_file() && may_be_a_file) {
            return Err(VmClockError::NoVmClock);
        }
        if kind.is_file() {
            let bytes = u64::try_from(stat.st_size).unwrap_or(0);
            if bytes < PAGE as u64 {
                return Err(VmClockError::TooShort { bytes });
            }
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let mapped = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                PAGE,
                ProtFlags::READ,
                MapFlags::SHARED,
                &file,
                0,
            )
        };
        let at = NonNull::new(mapped.map_err(system)?);
        at.map(Mapping).ok_or(VmClockError::System(std::io::ErrorKind::Other.into()))
    }

    #[allow(unsafe_code)]
    pub(super) fn u16_at(&self, offset: usize) -> u16 {
        assert!(offset % 2 == 0 && offset + 2 <= PAGE);
        // SAFETY: within the page, aligned as a page begins and the offset is, mapped while `self`
        // lives; and read only atomically.
        unsafe { self.0.cast::<AtomicU16>().byte_add(offset).as_ref() }.load(Ordering::Relaxed)
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn u32_at(&self, offset: usize) -> u32 {
        assert!(offset % 4 == 0 && offset + 4 <= PAGE);
        // SAFETY: as in `u16_at`.
        unsafe { self.0.cast::<AtomicU32>().byte_add(offset).as_ref() }.load(Ordering::Relaxed)
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn u64_at(&self, offset: usize) -> u64 {
        assert!(offset % 8 == 0 && offset + 8 <= PAGE);
        // SAFETY: as in `u16_at`.
        unsafe { self.0.cast::<AtomicU64>().byte_add(offset).as_ref() }.load(Ordering::Relaxed)
    }
}

impl Drop for Mapping {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length, and nothing refers to it any more. A failure
        // would leave it mapped, which is harmless.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr(), PAGE) };
    }
}

/// The kernel maps this device by a page of this size on every processor; with larger ones it maps
/// none.
const PAGE: usize = 4096;
