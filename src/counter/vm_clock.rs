//! The VM clock device: where a hypervisor tells that it has moved this virtual machine to another
//! host, or restored or copied it.
//!
//! A page of memory that the hypervisor writes and programs read. Of it the library takes what
//! tells of a disruption, and nothing of time: that comes from the sources, of which f may be
//! wrong. Every reading of a clock looks at the marker after its look at the counter.
//!
//! # Why no reading is from after a move that the clock has not noted
//!
//! Assumed of the device (A): the hypervisor has begun to write a new marker, by an odd sequence
//! number, before any instruction runs that could see the counter disrupted. Let a reader take
//! counter c, then load the sequence number q, then the marker m, then what is noted, in this
//! order: the loads come after the counter in the program, and what a processor did ahead of it is
//! thrown away by the exit to the hypervisor that a disruption is.
//!
//! 1. If c is from after a disruption, q is odd, or from after its end. Odd: the reader waits, for
//!    20 ms or so, and then says that there is no answer. From after its end: so is m, by the fence
//!    between the two, and m is not what was noted before.
//! 2. If m is what is noted, and it was noted after the disruption: a disruption of the clock had
//!    been published before (`note` releases, the load acquires), so the cell's second look at the
//!    stamp sees it, and the reader begins again.
//! 3. Else c is from before, or there was none.
//!
//! # References
//!
//! UAPI.13 (VMClock 1.0) and Linux, `include/uapi/linux/vmclock-abi.h`. The two differ in the
//! number of the flag for the generation: either one counts, for a field that is not there does not
//! change.

#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"),
    target_endian = "little"
))]
mod page;
#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"),
    target_endian = "little"
)))]
#[path = "vm_clock/no_page.rs"]
mod page;

#[cfg(any(test, feature = "sim"))]
use super::ManualCounter;
use crate::os_error::OsError;
use page::Mapping;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

/// Which VM clock device a clock reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VmClockChoice {
    /// `/dev/vmclock0`, if there is one that can be read and is a device; else none. The status
    /// says which, and why.
    #[default]
    Auto,
    /// The device of this path, or no clock is built. A regular file of the same layout is taken,
    /// too, for tests: it must not become shorter while a clock reads it, for then the system ends
    /// the process.
    Device(PathBuf),
    /// None. Moves and restores of the machine are seen at the next answers.
    Off,
}

/// Whether a VM clock device tells the clock of moves and restores of its virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VmClockStatus {
    /// No, and why: they are seen when the next answers contradict what was published.
    None {
        /// For people.
        why: String,
    },
    /// Yes, at every reading.
    Read {
        /// The device.
        device: PathBuf,
        /// Whether the hypervisor expects a disruption, so that a service may hand over before.
        expected: ExpectedDisruption,
    },
}

/// What a hypervisor says of disruptions to come. It is under no duty to say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpectedDisruption {
    /// Nothing.
    NoneKnown,
    /// One in about a day.
    Soon,
    /// One in about an hour.
    Imminent,
}

impl fmt::Display for VmClockStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VmClockStatus::None { why } => {
                write!(
                    f,
                    "none ({why}): a move or restore of a virtual machine is seen at the next answers"
                )
            }
            VmClockStatus::Read { device, expected } => {
                let expected = match expected {
                    ExpectedDisruption::NoneKnown => "",
                    ExpectedDisruption::Soon => "; a disruption is expected within a day",
                    ExpectedDisruption::Imminent => "; a disruption is expected within an hour",
                };
                write!(f, "{}, read at every reading{expected}", device.display())
            }
        }
    }
}

/// Why a VM clock device cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VmClockError {
    /// It cannot be opened or mapped. Many systems let only root open it.
    #[error("it cannot be read: {0}")]
    System(OsError),
    /// It does not begin as a VM clock does.
    #[error("it is no VM clock")]
    NoVmClock,
    /// It is of a version that this library does not know.
    #[error("it is of version {found}, and 1 is known")]
    OtherVersion {
        /// Its version.
        found: u16,
    },
    /// It has no room for a marker.
    #[error("it is of {bytes} bytes, which have no room for a marker")]
    TooShort {
        /// Its size.
        bytes: u64,
    },
    /// This platform has none.
    #[error("VM clock devices are read on Linux and Android, on x86-64, aarch64 and riscv64")]
    Unsupported,
}

/// The device of a clock, or why there is none.
#[derive(Clone, Debug)]
pub(crate) enum VmClock {
    None { why: Arc<str> },
    Device { path: Arc<Path>, marker: Marker },
}

impl VmClock {
    /// The device of a choice; what it says now is noted.
    ///
    /// # Errors
    ///
    /// The path, and why it cannot be read, where it was asked for.
    pub(crate) fn open(choice: &VmClockChoice) -> Result<VmClock, (PathBuf, VmClockError)> {
        let (path, must_be) = match choice {
            VmClockChoice::Off => return Ok(VmClock::none("not to be read")),
            VmClockChoice::Auto => (Path::new(USUAL), false),
            VmClockChoice::Device(path) => (path.as_path(), true),
        };
        match Mapping::open(path, must_be).and_then(Marker::read) {
            Ok(marker) => Ok(VmClock::Device { path: path.into(), marker }),
            Err(error) if must_be => Err((path.to_owned(), error)),
            Err(VmClockError::System(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(VmClock::none(&format!("there is no {}", path.display())))
            }
            Err(error) => Ok(VmClock::none(&format!("{}: {error}", path.display()))),
        }
    }

    pub(super) fn none(why: &str) -> VmClock {
        VmClock::None { why: why.into() }
    }

    /// The marker of a simulated machine.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn manual(counter: Arc<ManualCounter>) -> VmClock {
        let path = Path::new("simulated").into();
        let marker = Marker::of(Page::Manual(counter), true)
            .expect("a manual page is never in the middle of an update");
        VmClock::Device { path, marker }
    }

    pub(crate) fn marker(&self) -> Option<&Marker> {
        match self {
            VmClock::None { .. } => None,
            VmClock::Device { marker, .. } => Some(marker),
        }
    }

    /// Whether there was a disruption that the clock has not taken note of. To be called after the
    /// counter was read, within the read section of the cell. In the middle of an update it waits.
    pub(crate) fn unnoted(&self) -> bool {
        self.marker().is_some_and(|marker| {
            marker.seems_unnoted()
                && marker.marked().is_none_or(|marked| marked.marker != marker.noted())
        })
    }

    /// The same without a wait: true also in the middle of an update.
    #[inline]
    pub(crate) fn seems_unnoted(&self) -> bool {
        match self {
            VmClock::None { .. } => false,
            VmClock::Device { marker, .. } => marker.seems_unnoted(),
        }
    }

    pub(crate) fn status(&self) -> VmClockStatus {
        match self {
            VmClock::None { why } => VmClockStatus::None { why: why.to_string() },
            VmClock::Device { path, marker } => {
                let flags = marker.page.flags();
                let expected = if flags & DISRUPTION_IMMINENT != 0 {
                    ExpectedDisruption::Imminent
                } else if flags & DISRUPTION_SOON != 0 {
                    ExpectedDisruption::Soon
                } else {
                    ExpectedDisruption::NoneKnown
                };
                VmClockStatus::Read { device: path.to_path_buf(), expected }
            }
        }
    }
}

/// The marker of a device, and what of it the clock has taken note of.
#[derive(Clone, Debug)]
pub(crate) struct Marker {
    page: Page,
    noted: Arc<AtomicU64>,
    /// What it said when it was opened.
    at_first: Marked,
    has_generation: bool,
}

/// What changes with a disruption. Two are compared, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Another one: the counter did not run on.
    pub(super) marker: u64,
    /// Another one: there is another machine with this memory, or will have been. Its clock is as
    /// right as before, its leases are not its own.
    generation: u64,
}

#[derive(Clone, Debug)]
enum Page {
    Mapped(Arc<Mapping>),
    #[cfg(any(test, feature = "sim"))]
    Manual(Arc<ManualCounter>),
}

impl Marker {
    fn read(mapping: Mapping) -> Result<Marker, VmClockError> {
        if mapping.u32_at(MAGIC_AT) != MAGIC {
            return Err(VmClockError::NoVmClock);
        }
        let version = mapping.u16_at(VERSION_AT);
        if version != VERSION {
            return Err(VmClockError::OtherVersion { found: version });
        }
        let bytes = mapping.u32_at(SIZE_AT);
        if u64::from(bytes) < FLAGS_AT as u64 + 8 {
            return Err(VmClockError::TooShort { bytes: bytes.into() });
        }
        let has_generation = u64::from(bytes) >= GENERATION_AT as u64 + 8
            && mapping.u64_at(FLAGS_AT) & GENERATION_PRESENT != 0;
        let marker = Marker::of(Page::Mapped(Arc::new(mapping)), has_generation);
        marker.ok_or(VmClockError::System(std::io::ErrorKind::WouldBlock.into()))
    }

    /// `None` if an update does not end.
    fn of(page: Page, has_generation: bool) -> Option<Marker> {
        let nothing = Marked { marker: 0, generation: 0 };
        let unread = Marker { page, noted: Arc::default(), at_first: nothing, has_generation };
        let marker = Marker { at_first: unread.marked()?, ..unread };
        marker.note(marker.at_first);
        Some(marker)
    }

    /// What the device said when it was opened.
    pub(super) fn at_first(&self) -> Marked {
        self.at_first
    }

    #[inline]
    fn seems_unnoted(&self) -> bool {
        let updating = self.page.sequence() & 1 == 1;
        // After the sequence number, before the marker: point 1 of the proof.
        fence(Ordering::Acquire);
        let marker = self.page.marker();
        updating || marker != self.noted()
    }

    #[inline]
    fn noted(&self) -> u64 {
        // Acquire, with `note`: point 2.
        self.noted.load(Ordering::Acquire)
    }

    /// What the device says; `None` if an update does not end. A hypervisor that is held up in the
    /// middle of one is waited for, asleep, since the alternative is an error although nothing has
    /// happened.
    pub(crate) fn marked(&self) -> Option<Marked> {
        let try_for_a_while = || (0..TRIES).find_map(|_| self.try_marked());
        try_for_a_while().or_else(|| {
            let began = Instant::now();
            while began.elapsed() < LONGEST_UPDATE {
                std::thread::sleep(BETWEEN_READS);
                if let Some(marked) = try_for_a_while() {
                    return Some(marked);
                }
            }
            None
        })
    }

    fn try_marked(&self) -> Option<Marked> {
        let sequence = self.page.sequence();
        fence(Ordering::Acquire);
        let generation = if self.has_generation { self.page.generation() } else { 0 };
        let marked = Marked { marker: self.page.marker(), generation };
        fence(Ordering::Acquire);
        if sequence & 1 == 0 && self.page.sequence() == sequence {
            return Some(marked);
        }
        std::hint::spin_loop();
        None
    }

    /// What was seen has been published as a disruption.
    pub(crate) fn note(&self, marked: Marked) {
        self.noted.store(marked.marker, Ordering::Release);
    }
}

impl Page {
    #[inline]
    fn sequence(&self) -> u32 {
        match self {
            Page::Mapped(mapping) => mapping.u32_at(SEQUENCE_AT),
            #[cfg(any(test, feature = "sim"))]
            Page::Manual(counter) => counter.vm_sequence(),
        }
    }

    #[inline]
    fn marker(&self) -> u64 {
        match self {
            Page::Mapped(mapping) => mapping.u64_at(MARKER_AT),
            #[cfg(any(test, feature = "sim"))]
            Page::Manual(counter) => counter.vm_marker(),
        }
    }

    fn generation(&self) -> u64 {
        match self {
            Page::Mapped(mapping) => mapping.u64_at(GENERATION_AT),
            #[cfg(any(test, feature = "sim"))]
            Page::Manual(counter) => counter.vm_generation(),
        }
    }

    fn flags(&self) -> u64 {
        match self {
            Page::Mapped(mapping) => mapping.u64_at(FLAGS_AT),
            #[cfg(any(test, feature = "sim"))]
            Page::Manual(_) => 0,
        }
    }
}

const USUAL: &str = "/dev/vmclock0";
/// So often a reader looks at a device that is being written before it sleeps: some microseconds in
/// all.
const TRIES: u32 = 100;
const BETWEEN_READS: Duration = Duration::from_micros(100);
/// No update takes as long, but of a hypervisor that does not run. Less: errors for nothing. More:
/// readers that wait for longer.
const LONGEST_UPDATE: Duration = Duration::from_millis(20);

// The layout: all little-endian, as the processors are on which it is read.
const MAGIC_AT: usize = 0x00;
const SIZE_AT: usize = 0x04;
const VERSION_AT: usize = 0x08;
const SEQUENCE_AT: usize = 0x0c;
const MARKER_AT: usize = 0x10;
const FLAGS_AT: usize = 0x18;
const GENERATION_AT: usize = 0x68;

/// `VCLK`.
const MAGIC: u32 = 0x4b4c_4356;
const VERSION: u16 = 1;
const DISRUPTION_SOON: u64 = 1 << 1;
const DISRUPTION_IMMINENT: u64 = 1 << 2;
/// Bit 7 by the specification, bit 8 by the kernel's header.
const GENERATION_PRESENT: u64 = 1 << 7 | 1 << 8;

#[cfg(all(
    test,
    not(miri),
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod tests;
