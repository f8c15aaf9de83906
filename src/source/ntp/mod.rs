//! NTP version 4, sans-IO down to the datagram: our own codec, since a bound needs every field.
//!
//! [`Exchange`] is the client's side of one question and answer, [`respond`] a reference server's,
//! [`Packet`] the 48 bytes. No socket and no clock is touched here: the caller passes datagrams and
//! readings.

mod client;
mod packet;
mod server;

#[cfg(not(target_family = "wasm"))]
pub(crate) use client::LONGEST_REPLY;
pub use client::{Exchange, ExchangeSettings, KissCode, NonceError, Rejected};
#[cfg(feature = "sim")]
pub(crate) use packet::to_16_16_ceil;
pub use packet::{NtpTime, Packet, PacketError};
pub use server::{RequestRejected, ServerIdentity, respond};
