//! Names to addresses, beside the sync thread: a resolver may block for half a minute.

use crate::os_error::OsError;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::Sender;
use std::thread;

/// What a look-up found: the source it was for, and its addresses or why there are none.
pub(super) type Resolved = (usize, Result<Vec<SocketAddr>, OsError>);

/// Looks up `server` (`host:port`) on a thread of its own, sends the result and calls `wake`. The
/// thread is never joined. An address is its own answer, at once.
///
/// # Errors
///
/// Where no thread can be started.
pub(super) fn resolve(
    source: usize,
    server: String,
    results: Sender<Resolved>,
    wake: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    if let Ok(address) = server.parse::<SocketAddr>() {
        // Nobody listens any more once the clock is dropped.
        let _ = results.send((source, Ok(vec![address])));
        return Ok(());
    }
    thread::Builder::new().name("sureclock-resolve".into()).spawn(move || {
        let found = server.to_socket_addrs().map(|addresses| addresses.collect::<Vec<_>>());
        let found = match found {
            Ok(addresses) if addresses.is_empty() => Err(std::io::ErrorKind::NotFound.into()),
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(error.into()),
        };
        // Nobody listens any more once the clock is dropped.
        if results.send((source, found)).is_ok() {
            wake();
        }
    })?;
    Ok(())
}
