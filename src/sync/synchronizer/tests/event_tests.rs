//! Events through the tracing crate: which changes are reported, and that a subscriber may ask the
//! clock.
#![cfg(feature = "tracing")]

use super::*;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span;

/// Asks the clock for its status in every event, as a subscriber that adds it to each line would;
/// panics if told to.
struct Asking {
    clock: SureClock,
    heard: Arc<Mutex<Vec<String>>>,
    panics: bool,
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Asking {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("sureclock")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let status = self.clock.status();
        let mut message = Message(String::new());
        event.record(&mut message);
        self.heard.lock().push(
            format!("{} [{:?}]", message.0, status.state).split([':', '{']).next().unwrap().into(),
        );
        if self.panics {
            std::panic::panic_any(PanicsOnDrop);
        }
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("a payload that panics when it is dropped");
    }
}

/// What a subscriber heard while `story` happened. Fails if the story hangs.
fn heard(panics: bool, story: impl FnOnce(&World) + Send + 'static) -> Vec<String> {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let (world, heard) = (World::new(), Arc::new(Mutex::new(Vec::new())));
        let subscriber = Asking { clock: world.clock.clone(), heard: Arc::clone(&heard), panics };
        tracing::subscriber::with_default(subscriber, || story(&world));
        let _ = done.send(std::mem::take(&mut *heard.lock()));
    });
    ended
        .recv_timeout(Duration::from_secs(30))
        .expect("a subscriber that asks the clock does not hang it")
}

#[test]
fn found_a_subscriber_that_asks_for_the_status_does_not_deadlock_the_clock() {
    let heard = heard(false, |world| {
        world.round(HONEST);
        world.pass(16 * S);
        world.round([None, Some(0), Some(0)]);
        world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::ByHand);
    });
    assert!(heard.iter().any(|line| line.starts_with("an exchange gave no facts")), "{heard:?}");
    assert!(heard.iter().any(|line| line.starts_with("disrupted")), "{heard:?}");
}

#[test]
fn found_a_subscriber_that_panics_harms_nobody_else() {
    let heard = heard(true, |world| {
        world.round(HONEST);
        assert!(world.inside());
        world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::ByHand);
        world.pass(16 * S);
        world.round(HONEST);
        world.pass(3_000_000);
        world.check();
        assert!(world.inside());
    });
    assert!(heard.len() >= 3, "{heard:?}");
}

#[test]
fn found_the_log_follows_the_state_and_does_not_stop_at_the_start() {
    let heard = heard(false, |world| {
        world.round([Some(0), Some(0), None]);
        for _ in 0..3 {
            world.pass(16 * S);
            world.round(HONEST);
        }
        for _ in 0..6 {
            world.pass(16 * S);
            world.round([Some(0), None, None]);
        }
        world.pass(16 * S);
        world.round(HONEST);
    });
    let states: Vec<&str> = heard
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .filter(|line| !line.starts_with("an"))
        .collect();
    assert_eq!(states, ["degraded", "synchronized", "holdover", "synchronized"], "{heard:?}");
}
