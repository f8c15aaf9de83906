//! Random numbers of the system: floor 0. Nonces, holders and ids of writes come from here.

/// Fills `bytes` from the system's random source.
///
/// # Errors
///
/// [`NoRandom`] where it has none: without an operating system (wasm32-unknown-unknown) always.
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), NoRandom> {
    getrandom::fill(bytes).map_err(|_| NoRandom)
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) fn fill(_bytes: &mut [u8]) -> Result<(), NoRandom> {
    Err(NoRandom)
}

/// The system gave none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRandom;
