//! In place of `thread` where a platform has neither threads nor sockets (WebAssembly).

use super::locked::SharedSynchronizer;
use crate::counter::Counter;
use crate::source::Source;
use std::sync::Arc;
use std::time::Duration;

/// How each source is asked, in the synchronizer's order.
pub(crate) struct SourcePlan {
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Ntp { server: String },
    Custom(Box<dyn Source>),
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Driver {}

/// # Errors
///
/// Always.
pub(crate) fn start(
    _synchronizer: Arc<SharedSynchronizer>,
    _counter: Counter,
    plans: Vec<SourcePlan>,
    _check_interval: Duration,
) -> std::io::Result<Driver> {
    for plan in plans {
        match plan.kind {
            Kind::Ntp { server } => drop(server),
            Kind::Custom(source) => drop(source),
        }
    }
    Err(std::io::ErrorKind::Unsupported.into())
}
