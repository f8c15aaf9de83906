//! How wide the interval is, beside what nothing could be narrower than, and beside chrony's own
//! bound.
//!
//! - `cargo bench --features sim,cli --bench uncertainty`: simulated, in half a minute;
//! - the same with `-- pauses`: what a pause that nobody notices does to a learned rate;
//! - `cargo bench --features sim,cli --bench uncertainty -- real [seconds]`: real servers on
//!   loopback behind a relay, ten minutes (wants chronyd); draws `uncertainty.svg` and `watch.svg`.

#[path = "uncertainty/real.rs"]
mod real;
#[path = "uncertainty/simulated.rs"]
mod simulated;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

fn main() {
    // cargo adds `--bench`.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    match args.next().as_deref() {
        None => simulated::table(),
        Some("pauses") => simulated::pauses(),
        Some("real") => {
            let seconds =
                args.next().map_or(600, |text| text.parse().expect("a number of seconds"));
            if let Some(played) = real::play(real::scenarios(), Duration::from_secs(seconds)) {
                real::print(&played);
                real::draw(&played[2]);
            }
        }
        Some(other) => panic!("unknown: {other:?}; there are `pauses` and `real [seconds]`"),
    }
}
