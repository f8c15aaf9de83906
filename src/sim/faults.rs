//! What may go wrong with a machine: stops, suspends, counters that jump, clocks that are stepped.

use super::moment::Moment;
use super::oscillator::Oscillator;
use super::world::World;
use crate::bound::DisruptionReason;
use crate::clock::SureClock;
use crate::counter::Scope;
use crate::time::{Timescale, WallTime};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Where in a reading of a clock something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPoint {
    /// The parameters have been read, the counter has not.
    BeforeCounter,
    /// The counter has been read, the parameters have not been looked at again.
    AfterCounter,
}

type Act = Box<dyn FnOnce(&mut World) + Send>;

impl World {
    /// Stops the process of a clock for `length`, as SIGSTOP or a freezer does: its thread stands
    /// still, the machine's counter runs on. Do not read the clock meanwhile, for its readers stand
    /// still too.
    pub fn stop_process(&mut self, clock: &SureClock, length: Duration) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        inner.did(Some(host), || format!("the process is stopped for {length:?}"));
        let until = inner.now + Moment::of(length);
        let stopped = &mut inner.hosts[host].stopped_until;
        *stopped = until.max(*stopped);
    }

    /// Suspends the machine of a clock for `length`: it stands still with its counter, and the
    /// platform knows it afterwards.
    pub fn suspend(&mut self, clock: &SureClock, length: Duration) {
        self.stand_still(clock, length, "is suspended");
        let host = self.host_of(clock);
        let ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        self.inner.lock().hosts[host].manual.suspend(ns);
    }

    /// Pauses the virtual machine of a clock for `length`: every clock in it stands still, and
    /// nothing in it can tell. A migration, and a snapshot restored after `length`, are the same to
    /// it; a snapshot restored twice is this to each copy.
    pub fn pause_machine(&mut self, clock: &SureClock, length: Duration) {
        self.stand_still(clock, length, "is paused, unseen,");
    }

    fn stand_still(&mut self, clock: &SureClock, length: Duration, how: &str) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.did(Some(host), || format!("the machine {how} for {length:?}"));
        let until = inner.now + Moment::of(length);
        let state = &mut inner.hosts[host];
        state.local.freeze(inner.now, until, &mut inner.dice);
        state.stopped_until = until.max(state.stopped_until);
        // A sleep that was under way has as much left afterwards as before.
        let at = state.driver.wake_at.max(inner.now) + Moment::of(length);
        inner.wake_host(host, at);
    }

    /// Moves the virtual machine of a clock to another host, or restores it from a snapshot, which
    /// takes `length`: it stands still, its counter shows `ticks` more afterwards than if it had
    /// only been paused (but not less than zero), and its [VM clock
    /// device](crate::sim::Host::vm_clock), if it has one, says so before anything runs in it
    /// again. Do not read the clock meanwhile.
    pub fn move_machine(&mut self, clock: &SureClock, length: Duration, ticks: i64) {
        self.stand_still(clock, length, "is moved");
        self.jump_counter(clock, ticks);
        let host = self.host_of(clock);
        self.inner.lock().hosts[host].manual.mark(true, false);
    }

    /// Copies the virtual machine of a clock while it runs: its counter runs on, and its VM clock
    /// device says that there is another one. The other one is not in this world.
    pub fn copy_machine(&mut self, clock: &SureClock) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        inner.did(Some(host), || "the machine is copied".into());
        inner.hosts[host].manual.mark(false, true);
    }

    /// A marker has told the program that drives the clock of a restore or a migration: what
    /// [`OwnLoop::disrupt`](crate::OwnLoop::disrupt) does.
    pub fn report_restore(&mut self, clock: &SureClock) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        inner.did(Some(host), || "a marker tells of a restore".into());
        // The thread that tells waits for the synchronizer's lock, so a call that is under way
        // under it ends first.
        super::driver::end_call(&mut inner, host);
        inner.show_counter(host);
        let state = &inner.hosts[host];
        let now = state.counter.reading_of(state.manual.shown());
        let synchronizer = Arc::clone(&state.synchronizer);
        synchronizer.check_continuity(&state.counter, Scope::Clocks);
        synchronizer.lock().disrupt_in_doubt(now, DisruptionReason::Restored, None);
        inner.notice_disruption(host);
    }

    /// The counter of a clock's machine shows `ticks` more from now on, or less, but not less than
    /// zero.
    pub fn jump_counter(&mut self, clock: &SureClock, ticks: i64) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.did(Some(host), || format!("the counter jumps by {ticks} ticks"));
        inner.hosts[host].local.jump(ticks, inner.now, &mut inner.dice);
        inner.show_counter(host);
    }

    /// The counter of a clock's machine runs by `ppb` faster than its oscillator says from now on,
    /// as one does that is set to another rate.
    pub fn change_counter_rate(&mut self, clock: &SureClock, ppb: i32) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.did(Some(host), || {
            format!("the counter runs by {ppb} ppb faster than the oscillator")
        });
        inner.hosts[host].local.change_counter_rate(ppb, inner.now, &mut inner.dice);
    }

    /// The kernel of a clock's machine keeps time by the counter from now on, or by another clock
    /// source. Only a clock over a [hardware counter](crate::sim::Host::hardware_counter) looks.
    pub fn change_clock_source(&mut self, clock: &SureClock, to_the_counter: bool) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        inner.did(Some(host), || {
            format!("the counter is the kernel's clock source: {to_the_counter}")
        });
        inner.hosts[host].manual.set_clock_source(to_the_counter);
    }

    /// The machine of a clock runs by another oscillator from now on.
    pub fn replace_oscillator(&mut self, clock: &SureClock, oscillator: Oscillator) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.did(Some(host), || format!("runs by {oscillator:?} from now on"));
        inner.hosts[host].local.replace(oscillator, inner.now, &mut inner.dice);
    }

    /// Steps the operating system's clock of a machine.
    pub fn step_wall(&mut self, clock: &SureClock, ns: i64) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        inner.did(Some(host), || format!("the wall clock is stepped by {ns} ns"));
        let wall = &mut inner.hosts[host].wall;
        wall.ahead = wall.ahead + Moment::from_ns(ns);
    }

    /// From now on the operating system's clock of a machine is stepped ahead by `ns` and back
    /// again, each for `every`.
    pub fn strobe_wall(&mut self, clock: &SureClock, ns: i64, every: Duration) {
        let host = self.host_of(clock);
        let mut inner = self.inner.lock();
        inner.did(Some(host), || format!("the wall clock is strobed by {ns} ns every {every:?}"));
        inner.hosts[host].wall.strobe = Some((Moment::from_ns(ns), Moment::of(every)));
    }

    /// What the operating system of a clock's machine believes.
    #[must_use]
    pub fn wall_time(&self, clock: &SureClock) -> WallTime {
        let host = self.host_of(clock);
        let inner = self.inner.lock();
        let utc = inner.calendar.truth(Timescale::Utc, inner.now).0;
        WallTime::from_unix_nanos(inner.hosts[host].wall.reads(utc).floor_ns())
    }

    /// Does something in the middle of the next look that a program takes at a clock's counter:
    /// steps its wall clock, stops it, lets time pass (and so publications and disruptions come
    /// between the two halves of a reading).
    ///
    /// The next look is that of the next `now`, `after`, `monotonic` or poll of a wait; with
    /// [`check`](World::check) it is that of `now`. The moment that `check` then compares with is
    /// that of the look.
    pub fn in_next_reading(
        &mut self,
        clock: &SureClock,
        point: ReadPoint,
        act: impl FnOnce(&mut World) + Send + 'static,
    ) {
        let host = self.host_of(clock);
        let world = Arc::downgrade(&self.inner);
        let inner = self.inner.lock();
        let (manual, synchronizer) =
            (Arc::clone(&inner.hosts[host].manual), Arc::clone(&inner.hosts[host].synchronizer));
        let pending: Mutex<Option<(ReadPoint, Act)>> = Mutex::new(Some((point, Box::new(act))));
        let watched = Arc::clone(&manual);
        manual.watch(Some(Arc::new(move || {
            let inner = world.upgrade()?;
            // The thread's own readings, and those made under the synchronizer's lock, are no
            // program's.
            if inner.is_locked() || synchronizer.is_locked() {
                return None;
            }
            let mut world = World { inner: Arc::clone(&inner) };
            let taken = pending.lock().take();
            match taken {
                Some((ReadPoint::BeforeCounter, act)) => {
                    act(&mut world);
                    inner.lock().watched();
                    None
                }
                Some((ReadPoint::AfterCounter, act)) => {
                    let ticks = watched.shown();
                    inner.lock().watched();
                    act(&mut world);
                    Some(ticks)
                }
                None => {
                    inner.lock().watched();
                    None
                }
            }
        })));
    }
}
