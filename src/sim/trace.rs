//! What happened in a simulated world, for a person to read.

use super::moment::Moment;
use std::collections::VecDeque;
use std::fmt::Write;

/// The last events of a world.
#[derive(Debug)]
pub(super) struct Trace {
    begin: Moment,
    events: VecDeque<(Moment, Event)>,
    forgotten: u64,
}

/// What happened. Hosts and servers by their numbers.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Asked { host: usize, server: usize },
    Lost { host: usize, server: usize },
    Answered { host: usize, server: usize, delay_ns: i64, lower_ns: i64, upper_ns: i64 },
    Failed { host: usize, server: usize, problem: crate::Problem },
    State { host: usize, now: Result<(), crate::NowError> },
    Did { host: Option<usize>, what: String },
}

impl Trace {
    pub(super) fn new(begin: Moment) -> Trace {
        Trace { begin, events: VecDeque::new(), forgotten: 0 }
    }

    pub(super) fn note(&mut self, at: Moment, event: Event) {
        if self.events.len() == KEPT {
            self.events.pop_front();
            self.forgotten += 1;
        }
        self.events.push_back((at, event));
    }

    /// The events, a line each, with the time since the world began.
    pub(super) fn print(&self, hosts: &[String], servers: &[String]) -> String {
        let mut text = String::new();
        if self.forgotten > 0 {
            let _ = writeln!(text, "  ({} earlier events are not kept)", self.forgotten);
        }
        for (at, event) in &self.events {
            let ns = (*at - self.begin).floor_ns();
            let _ = write!(text, "  {:>6}.{:09} s  ", ns / 1_000_000_000, ns % 1_000_000_000);
            let _ = match event {
                Event::Asked { host, server } => {
                    writeln!(text, "{} asks {}", hosts[*host], servers[*server])
                }
                Event::Lost { host, server } => {
                    writeln!(
                        text,
                        "{}: a datagram to or from {} is lost",
                        hosts[*host], servers[*server]
                    )
                }
                Event::Answered { host, server, delay_ns, lower_ns, upper_ns } => writeln!(
                    text,
                    "{}: {} answered after {delay_ns} ns: true time {lower_ns:+} to {upper_ns:+} ns from now",
                    hosts[*host], servers[*server]
                ),
                Event::Failed { host, server, problem } => {
                    writeln!(text, "{}: {}: {problem}", hosts[*host], servers[*server])
                }
                Event::State { host, now: Ok(()) } => {
                    writeln!(text, "{} has an interval", hosts[*host])
                }
                Event::State { host, now: Err(error) } => {
                    writeln!(text, "{}: {error}", hosts[*host])
                }
                Event::Did { host: Some(host), what } => writeln!(text, "{}: {what}", hosts[*host]),
                Event::Did { host: None, what } => writeln!(text, "{what}"),
            };
        }
        text
    }
}

/// Enough for a person; older ones go.
const KEPT: usize = 200;
