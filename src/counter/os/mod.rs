//! What the operating system offers as a counter, one file for each: the calls, with what its
//! documentation says of them.
//!
//! Each file has `raw` (the counter and its nominal rate), `raw_ticks_after`, `suspended_ns`,
//! `clock_source`, `time_namespace`, `raw_is_its_own`, and `RAW_MAY_CHANGE`: whether the system may
//! make the counter out of another one while it runs.

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_vendor = "apple", windows))]
mod order;
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows)))]
mod other;
#[cfg(windows)]
mod windows;

#[cfg(target_vendor = "apple")]
pub(super) use apple::*;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::*;
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
)))]
pub(super) use other::*;
#[cfg(windows)]
pub(super) use windows::*;
