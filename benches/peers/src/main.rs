//! `now()` beside what other crates offer, in interleaved rounds: `cargo run --release`, here.
//!
//! quanta and minstant give a moment without any error, uhlc a logical timestamp, clock-bound an
//! interval from a segment that its daemon writes; here this program writes it once, so that the
//! client alone is measured.

#[path = "../../support/mod.rs"]
mod support;

use clock_bound::{Client, ClockStatus};
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};
use support::{Subject, median, ordered_counter, ratio, rounds, subject};

const ROUNDS: usize = 301;
const CALLS: u32 = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, _own_loop) = support::clock();
    eprintln!("{}", clock.status().counter);
    let segment = std::env::temp_dir().join(format!("sureclock-peers-{}", std::process::id()));
    fs::write(&segment, clock_bound_segment(tick_seconds()))?;
    let mut client =
        Client::new_with_path(segment.to_str().ok_or("a path of text")?).expect("a segment");
    let window = client.now().expect("a time");
    assert_eq!(window.clock_status, ClockStatus::Synchronized, "the segment is believed");
    let (quanta, hlc, hybrid) =
        (quanta::Clock::new(), uhlc::HLC::default(), sureclock::HybridClock::new(clock.clone()));
    let far = clock.now()?.latest().checked_add(Duration::from_secs(86_400)).ok_or("in range")?;
    let mut deadline = clock.deadline(far);

    let ends = |interval: sureclock::TimeInterval| {
        (interval.earliest().as_unix_nanos(), interval.latest().as_unix_nanos())
    };
    let mut subjects: Vec<Subject<'_>> = vec![
        subject("ordered counter read", ordered_counter),
        subject("sureclock deadline.is_past", || deadline.is_past().unwrap_or(true)),
        subject("sureclock now", || clock.now().map_or((0, 0), ends)),
        subject("SystemTime::now", SystemTime::now),
        subject("Instant::now", Instant::now),
        subject("quanta now", || quanta.now()),
        subject("minstant now", minstant::Instant::now),
        subject("sureclock hybrid stamp", || {
            hybrid.stamp().map_or(0, sureclock::HybridTimestamp::to_bits)
        }),
        subject("uhlc new_timestamp", || *hlc.new_timestamp().get_time()),
        subject("clock-bound 3 now", || {
            client.now().map_or((0, 0), |w| (w.earliest.tv_nsec(), w.latest.tv_nsec()))
        }),
    ];
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
    black_box(rounds(&mut subjects, 5, CALLS));
    let results = rounds(&mut subjects, ROUNDS, CALLS);
    drop(subjects);
    fs::remove_file(&segment)?;

    println!(
        "Medians of {ROUNDS} interleaved rounds of {CALLS} calls, and of the ratios within each round.\n"
    );
    println!("| call | ns | to sureclock now |\n|---|---|---|");
    let ours = names.iter().position(|name| *name == "sureclock now").expect("it is there");
    for (name, result) in names.iter().zip(&results) {
        println!("| {name} | {:.1} | {:.2} |", median(result), ratio(result, &results[ours]));
    }
    if let Some(path) = std::env::args().nth(1) {
        let medians: Vec<f64> = results.iter().map(|result| median(result)).collect();
        fs::write(&path, chart(&names, &medians))?;
        eprintln!("the chart is in {path}");
    }
    Ok(())
}

/// The length of a tick, well enough for a segment that nobody sets a clock by.
fn tick_seconds() -> f64 {
    let (began, first) = (Instant::now(), ordered_counter());
    std::thread::sleep(Duration::from_millis(50));
    let ticks = ordered_counter() - first;
    began.elapsed().as_secs_f64() / ticks as f64
}

/// A segment of clock-bound's layout 3: a clock that was synchronized now, to within a millisecond.
fn clock_bound_segment(tick_seconds: f64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let mut bytes = Vec::new();
    let mut put = |part: &[u8]| bytes.extend_from_slice(part);
    // The header: magic, size, least and own version, generation.
    put(&0x414d_5a4e_u32.to_ne_bytes());
    put(&0x4342_0200_u32.to_ne_bytes());
    put(&104_u32.to_ne_bytes());
    put(&(3_u16 << 8 | 3).to_ne_bytes());
    put(&2_u16.to_ne_bytes());
    put(&ordered_counter().to_ne_bytes());
    for (seconds, nanoseconds) in [(now.as_secs(), now.subsec_nanos()), (now.as_secs() + 3600, 0)] {
        put(&seconds.to_ne_bytes());
        put(&u64::from(nanoseconds).to_ne_bytes());
    }
    // The tick as a fraction of 2^(64 + shift), and its error, a ppm.
    let shifts = [tick_seconds, 1e-6].map(|value| {
        let shift = shift_of(value);
        put(&((value * 2f64.powi(64 + i32::from(shift))) as u64).to_ne_bytes());
        shift
    });
    put(&1_000_000_i64.to_ne_bytes());
    put(&0_u64.to_ne_bytes());
    put(&15_000_u32.to_ne_bytes());
    put(&1_i32.to_ne_bytes());
    // No disruption support, the two shifts, padding.
    put(&[0, shifts[0], shifts[1], 0, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 104);
    bytes
}

/// The largest shift with which a fraction of a second is below 2^64, so that it keeps the most
/// bits: 31 for a tick of a counter beyond 2.15 GHz, less for a slower one.
fn shift_of(value: f64) -> u8 {
    let fits = |shift: u8| value * 2f64.powi(i32::from(shift)) < 1.0;
    (0..=63).rev().find(|shift| fits(*shift)).expect("a tick is shorter than a second")
}

/// Bars, one a call.
fn chart(names: &[&str], medians: &[f64]) -> String {
    let (left, bar, gap, width) = (210.0, 20.0, 8.0, 420.0);
    let most = medians.iter().copied().fold(0.0, f64::max);
    let height = names.len() as f64 * (bar + gap) + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        left + width + 80.0
    );
    for (at, (name, ns)) in names.iter().zip(medians).enumerate() {
        let y = at as f64 * (bar + gap) + 10.0;
        let color = if name.starts_with("sureclock") { "#2a6f97" } else { "#b8c4cc" };
        let length = ns / most * width;
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{name}</text><rect x=\"{left:.0}\" y=\"{y:.0}\" width=\"{length:.0}\" height=\"{bar:.0}\" fill=\"{color}\"/><text x=\"{:.0}\" y=\"{:.0}\">{ns:.1}</text>",
            left - 8.0,
            y + 15.0,
            left + length + 6.0,
            y + 15.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{left:.0}\" y=\"{:.0}\" fill=\"#555\">nanoseconds a call, one machine, medians of interleaved rounds</text>\n</svg>",
        height - 8.0
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_can_be_written_for_every_counter() {
        for (hertz, shift) in
            [(3.0e9, 31), (2.2e9, 31), (2.1e9, 30), (1e9, 29), (24e6, 24), (32_768.0, 15), (2.0, 1)]
        {
            let tick = 1.0 / hertz;
            assert!(
                shift_of(tick) >= shift - 1 && tick * 2f64.powi(i32::from(shift_of(tick))) < 1.0,
                "{hertz}"
            );
            assert_eq!(clock_bound_segment(tick).len(), 104);
        }
    }
}
