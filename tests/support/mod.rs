//! What integration tests stand on: a network that misbehaves on request, real NTP daemons, and a
//! raw NTP question.
//!
//! Nothing here uses the library, so a test of the library and its surroundings cannot share a
//! mistake.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test file compiles its own copy of this module and uses a part of it"
)]

pub(crate) mod chronyd;
mod host;
pub(crate) mod hostile;
pub(crate) mod ntp_probe;
pub(crate) mod ntpd_rs;
pub(crate) mod path;
pub(crate) mod relay;
pub(crate) mod vm_clock;
