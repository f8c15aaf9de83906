//! A thread for each source that is not NTP: it may block, and is abandoned, never joined, when the
//! clock is dropped.

use super::synchronizer::AskId;
use crate::bound::Facts;
use crate::contain::contain;
use crate::counter::Counter;
use crate::source::{ExchangeContext, Source, SourceError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

/// What a worker reports.
pub(super) type Report = (AskId, Result<Facts, SourceError>);

/// Where the sync thread puts its questions.
pub(super) type Questions = Sender<(AskId, Instant)>;

/// Starts the thread of one source.
///
/// # Errors
///
/// Where no thread can be started.
pub(super) fn spawn(
    mut source: Box<dyn Source>,
    counter: Counter,
    reports: Sender<Report>,
    wake: impl Fn() + Send + 'static,
) -> std::io::Result<Questions> {
    let (questions, inbox): (Questions, Receiver<_>) = channel();
    thread::Builder::new().name("sureclock-source".into()).spawn(move || {
        while let Ok(mut question) = inbox.recv() {
            // What queued up while the source was slow is no longer awaited: only the newest
            // counts.
            while let Ok(newer) = inbox.try_recv() {
                question = newer;
            }
            let (id, deadline) = question;
            let context = ExchangeContext::new(counter.clone(), deadline);
            // A source that panics is a source that fails; the clock goes on with the others.
            let result =
                contain(|| source.exchange(&context)).unwrap_or(Err(SourceError::Unusable));
            if reports.send((id, result)).is_err() {
                return;
            }
            wake();
        }
    })?;
    Ok(questions)
}
