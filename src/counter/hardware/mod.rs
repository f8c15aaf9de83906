//! The processor's own counter: TSC on x86-64, CNTVCT on aarch64. The only instructions that read
//! it, and what makes it a clock.
//!
//! It is read only where `trust` finds that reading is allowed and runs at one rate; `skew`
//! certifies how far the cores are apart, and pairs of readings with CLOCK_MONOTONIC_RAW the length
//! of a tick.
//!
//! What is ordered and what is not (the litmus of a reading inside the cell's read section):
//!
//! - **Earlier loads come first.** x86-64: LFENCE lets RDTSC begin only when every earlier load is
//!   done. aarch64: a branch that depends on a loaded value, then ISB: nothing after it is fetched
//!   before that load is done, and later loads of an acquiring one are later still. So a reading
//!   taken after a request arrived (received by an acquiring load, a lock or a system call) is a
//!   reading of after the arrival, as a commit timestamp needs; and a counter read under stamp s is
//!   read after s was published.
//! - **Later loads may come earlier**, by as much as the processor runs ahead: the second look at
//!   the stamp may be made before the counter is read. An interrupt, an exit to a hypervisor or a
//!   stop of the thread between the two throws the run-ahead load away, so the counter is never
//!   read long after it: less than a microsecond. Such a reader answers from the parameters that
//!   were in force a microsecond ago. `after` and timestamps stay right, for until the disruption
//!   those parameters were published as right; and a recovery must not fall below what such a
//!   reader was told: the allowance `OVERLAP` of the machine (1 ms) is a thousand times that. A
//!   second LFENCE would close the gap for about 5 ns a reading; the allowance costs a millisecond
//!   a recovery instead.
//! - **Stores** are ordered by neither: what a program writes after a reading may be seen by others
//!   before it. No promise needs the contrary: a commit is exposed only after `after(s)`, which is
//!   true of every later moment, too.

mod skew;
mod trust;

use super::calibration::{Calibration, FINE_SLACK_NS, Pair};
use super::os::os_ns;
use parking_lot::Mutex;
use rustix::time::ClockId;
use std::fmt;
use std::time::Duration;
use trust::Distrust;

pub(super) use skew::{Survey, is_all_of};
pub(super) use trust::is_clock_source;

/// What was certified of the counter.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) calibration: Calibration,
    /// How far two readings may be apart beside the time that passed: the skew between cores, and
    /// the counter's steps.
    pub(super) margin: u64,
    /// The cores that were compared for it.
    pub(super) cores: Vec<usize>,
    forced: bool,
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tick = self.calibration.tick();
        let skew = tick.middle().duration(self.margin).as_nanos();
        let source = if self.forced {
            "taken on request"
        } else {
            "invariant, and the kernel's own clock source"
        };
        let (ppm, tenth) = (tick.width_ppb() / 2 / 1000, tick.width_ppb() / 2 / 100 % 10);
        write!(
            f,
            "{NAME}: at the start {source}; cores and steps within {skew} ns; a tick is certified to {ppm}.{tenth} ppm then, beside the 100 ppm of"
        )?;
        f.write_str(" CLOCK_MONOTONIC_RAW")?;
        if trust::is_virtual() {
            f.write_str("; in a virtual machine")?;
        }
        Ok(())
    }
}

/// Certifies the counter, or says why not; where `forced`, even if the kernel keeps time by another
/// clock source, in which case RAW moves in steps of `raw_step_ns` at most. Where the machine
/// `may_move`, the margin has room for what is measured on another host.
pub(super) fn certify(
    forced: bool,
    raw_step_ns: u64,
    may_move: bool,
) -> Result<Certificate, &'static str> {
    trusted(forced, raw_step_ns, may_move).map_err(Distrust::as_str)
}

fn trusted(forced: bool, raw_step_ns: u64, may_move: bool) -> Result<Certificate, Distrust> {
    trust::is_readable()?;
    let is_source = is_clock_source() == Some(true);
    if !forced && !is_source {
        return Err(Distrust::ClockSource);
    }
    // Once, for it takes a while; again if it failed, for the machine may have been busy. Nobody
    // waits for another thread's measuring, which a forked child would do for ever. The tick is
    // measured for each clock: what the counter did before is not its assumption. Not where the
    // machine may have been moved since, by the word of nobody; nor where a core has come since.
    let Measured { margin, cores } = match measured() {
        Some(measured) if !may_move && skew::is_all_of(&measured.cores) => measured,
        _ => measure_margin()?,
    };
    // Cores that may come later must be within the margin, too, or the counter could not be used
    // any more.
    let may_grow = trust::present_cores().is_none_or(|present| cores.len() < present);
    // Another clock source shows in RAW, with its steps: 100 ns of Hyper-V's, milliseconds of
    // jiffies.
    let slack = if is_source { FINE_SLACK_NS } else { raw_step_ns.saturating_add(FINE_SLACK_NS) };
    let (calibration, margin) =
        calibrate(margin, if may_move || may_grow { ALLOWANCE } else { Duration::ZERO }, slack)?;
    Ok(Certificate { calibration, margin, cores, forced })
}

/// The margin of some cores.
#[derive(Clone, Debug)]
struct Measured {
    margin: u64,
    cores: Vec<usize>,
}

/// What has been measured in this process. Locked for a copy alone, and never waited for.
static MEASURED: Mutex<Option<Measured>> = Mutex::new(None);

fn measured() -> Option<Measured> {
    MEASURED.try_lock()?.clone()
}

/// By how much two readings may differ beside what passed between them. Takes a millisecond or so a
/// core, half a second at most.
fn measure_margin() -> Result<Measured, Distrust> {
    let (skew, cores) = skew::between_cores(|| ticks_after(0)).ok_or(Distrust::Skew)?;
    // With steps of g, cores that show an offset o may be apart by o + g on either side, and a
    // difference of readings says by less than g more or less what passed.
    let measured = Measured { margin: skew.saturating_add(3 * step()), cores };
    if let Some(mut known) = MEASURED.try_lock() {
        *known = Some(measured.clone());
    }
    Ok(measured)
}

/// The machine was moved: clocks that are built from now on measure again.
pub(super) fn forget_margin() {
    if let Some(mut known) = MEASURED.try_lock() {
        *known = None;
    }
}

/// Whether the counters of the cores are still within a margin, on the host that the machine was
/// moved to; `false` also where not all of them could be compared closely enough yet. Takes some
/// tenth of a second at most.
pub(super) fn are_within(margin: u64, survey: &mut Survey) -> bool {
    survey.go_on(|| ticks_after(0), margin.saturating_sub(3 * step()), LONGEST_GO)
}

/// What two pairs say, a little while apart; and the margin with the allowance.
fn calibrate(margin: u64, allowance: Duration, slack: u64) -> Result<(Calibration, u64), Distrust> {
    let first = pair();
    std::thread::sleep(FIRST_BASE);
    let second = pair();
    // Roughly: the counter against RAW between the two.
    let (ticks, ns) =
        (second.before.saturating_sub(first.before), second.raw_ns.saturating_sub(first.raw_ns));
    let allowance = allowance.as_nanos() * u128::from(ticks) / u128::from(ns.max(1));
    let margin = margin.saturating_add(u64::try_from(allowance).unwrap_or(u64::MAX));
    let apart_ns = u128::from(margin) * u128::from(ns) / u128::from(ticks.max(1));
    if apart_ns > MOST_SKEW.as_nanos() {
        return Err(Distrust::Skew);
    }
    let calibration =
        Calibration::begin(first, second, margin, slack).ok_or(Distrust::Calibration)?;
    let tick = calibration.tick();
    let usual = LEAST_TICK_2_40..=MOST_TICK_2_40;
    let is_clock = tick.width_ppb() <= WIDEST_TICK_PPB && usual.contains(&tick.least_2_40);
    if is_clock { Ok((calibration, margin)) } else { Err(Distrust::Calibration) }
}

/// An upper bound of the counter's steps, in ticks: on some processors it counts in tens. No step
/// is seen smaller than it is.
fn step() -> u64 {
    let (mut least, mut last) = (MOST_STEP, ticks_after(0));
    for _ in 0..STEPS {
        let next = ticks_after(0);
        least = if next > last { least.min(next - last) } else { least };
        last = next;
    }
    least
}

/// A reading of RAW between two of the counter: the closest of some.
pub(super) fn pair() -> Pair {
    let take = || Pair {
        before: ticks_after(0),
        raw_ns: os_ns(ClockId::MonotonicRaw),
        after: ticks_after(0),
    };
    let mut best = take();
    for _ in 1..PAIRS {
        let next = take();
        if next.after.wrapping_sub(next.before) < best.after.wrapping_sub(best.before) {
            best = next;
        }
    }
    best
}

/// The counter, read after every earlier load that `loaded` depends on (aarch64), or after all of
/// them (x86-64).
///
/// Only where [`super::trust`] has found that reading it is allowed.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn ticks_after(_loaded: u64) -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: LFENCE is part of SSE2, which every x86-64 has; RDTSC is allowed, as `trust` has
    // asked the kernel. Both touch nothing but the two registers. Without `nomem`, so that the
    // compiler moves no load or store over them.
    unsafe {
        std::arch::asm!("lfence", "rdtsc", out("rax") low, out("rdx") high, options(nostack, preserves_flags));
    }
    high << 32 | low
}

/// As on x86-64.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn ticks_after(loaded: u64) -> u64 {
    let ticks: u64;
    // SAFETY: Linux lets CNTVCT_EL0 be read, or reads it in place of the program where a
    // processor's erratum makes it trap. The branch goes to the next instruction either way.
    // Without `nomem`, so that the compiler moves no load or store over them.
    unsafe {
        std::arch::asm!(
            "cbnz {loaded}, 2f",
            "2:",
            "isb",
            "mrs {ticks}, cntvct_el0",
            loaded = in(reg) loaded,
            ticks = out(reg) ticks,
            options(nostack, preserves_flags)
        );
    }
    ticks
}

/// The counter as it was some time before the end of the call: an unordered read may be made early,
/// by as much as the processor runs ahead.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn ticks_unordered() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: as in `ticks_after`, without the LFENCE.
    unsafe {
        std::arch::asm!("rdtsc", out("rax") low, out("rdx") high, options(nostack, preserves_flags));
    }
    high << 32 | low
}

/// As on x86-64.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn ticks_unordered() -> u64 {
    let ticks: u64;
    // SAFETY: as in `ticks_after`, without the barrier.
    unsafe {
        std::arch::asm!("mrs {ticks}, cntvct_el0", ticks = out(reg) ticks, options(nostack, preserves_flags));
    }
    ticks
}

#[cfg(target_arch = "x86_64")]
const NAME: &str = "TSC";
#[cfg(target_arch = "aarch64")]
const NAME: &str = "CNTVCT";

/// How long the first calibration takes. Shorter: less is known of a tick in the first seconds.
/// Longer: a slower start.
const FIRST_BASE: Duration = Duration::from_millis(4);
/// Pairs of readings for the step.
const STEPS: u32 = 1000;
/// If the counter does not move during all of them.
const MOST_STEP: u64 = 1_000_000;
/// Longer: the thread answers later meanwhile. Shorter: more goes.
const LONGEST_GO: Duration = Duration::from_millis(100);
/// Of so many pairs the closest counts.
const PAIRS: u32 = 5;
/// A first bracket wider than this (100 us in 4 ms) is that of a machine too busy to be measured.
const WIDEST_TICK_PPB: u64 = 25_000_000;
/// 100 ps (10 GHz) to 1 ms (1 kHz): anything else is no counter of a processor.
const LEAST_TICK_2_40: u64 = (1 << 40) / 10;
const MOST_TICK_2_40: u64 = 1_000_000 << 40;
/// Cores further apart than this are not kept together by anyone: then the kernel does not use the
/// counter either.
const MOST_SKEW: Duration = Duration::from_micros(50);
/// By how much more the cores of another host, or cores that come later, may be apart, as far as
/// can be measured then. Less: a machine that was moved, or whose cores have become more, may never
/// use its counter again. More: wider intervals for every clock with a VM clock device or in a part
/// of a machine.
const ALLOWANCE: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_fits_to_raw_or_says_why_there_is_none() {
        let certificate = match certify(true, 300, false) {
            Ok(certificate) => certificate,
            Err(why) => return println!("no certificate: {why}"),
        };
        println!("{certificate}");
        let again = certify(true, 300, false).unwrap();
        assert_eq!(again.margin, certificate.margin, "measured once");
        // As if the process had been confined to one core when it was measured.
        *MEASURED.lock() = Some(Measured { margin: 1, cores: again.cores[..1].to_vec() });
        let grown = certify(true, 300, false).unwrap();
        assert_eq!(grown.cores, again.cores);
        assert!(
            again.cores.len() == 1 || grown.margin > 1,
            "a core that has come since was not compared"
        );
        assert!(
            again.calibration.tick().and(certificate.calibration.tick()).is_some(),
            "both are true"
        );
        let text = certificate.to_string();
        assert!(
            text.contains(NAME) && text.contains("on request") && text.contains(" ppm"),
            "{text}"
        );
        // As with jiffies, which say too little in four milliseconds: refused, whatever the
        // processor.
        assert!(is_clock_source() == Some(true) || certify(true, 4_000_000, false).is_err());
        let (a, b) = (pair(), pair());
        assert!(a.before <= a.after && a.raw_ns <= b.raw_ns && a.before <= b.after);
    }

    #[test]
    fn readings_go_forward() {
        if trust::is_readable().is_err() {
            return;
        }
        let mut last = ticks_after(0);
        for _ in 0..100_000 {
            let next = ticks_after(last);
            assert!(next >= last.saturating_sub(50_000), "{last} {next}");
            last = next;
        }
        assert!(ticks_unordered() > 0);
    }
}
