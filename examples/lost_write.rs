//! Two nodes whose clocks differ by 5 ms. A client writes at one, is answered, and writes again at
//! the other. Under the larger timestamp the second write is gone, and nobody was told; in a
//! register it is there. Offline.
//!
//! `cargo run --release --example lost_write`

use std::time::Duration;
use sureclock::register::{Latest, Register, Seen};
use sureclock::{SureClock, Timestamp};

mod support;

const KEYS: u64 = 200;
/// How far the clock of the east is ahead: an ordinary evening.
const SKEW: Duration = Duration::from_millis(5);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Node {
    clock: SureClock,
    /// What its operating system's clock is ahead by.
    skew: Duration,
}

/// What both stores have under one key.
#[derive(Default)]
struct Row {
    /// Last write wins: the larger timestamp.
    plain: Option<(Timestamp, &'static str)>,
    register: Register<&'static str>,
}

impl Node {
    fn new(skew: Duration) -> Result<Node> {
        Ok(Node { clock: support::start_clock()?, skew })
    }

    /// Writes, and acknowledges by returning.
    fn write(&self, row: &mut Row, value: &'static str) -> Result<()> {
        let stamp =
            SureClock::wall_time().assume_true().checked_add(self.skew).ok_or("the year 2262")?;
        row.plain = row.plain.max(Some((stamp, value)));
        row.register.write(value, &self.clock.now()?, &Seen::nothing())?;
        Ok(())
    }
}

fn main() -> Result<()> {
    let (east, west) = (Node::new(SKEW)?, Node::new(Duration::ZERO)?);
    println!(
        "the clock of the east is {SKEW:?} ahead; both are certain to {:?}\n",
        east.clock.now()?.uncertainty()
    );

    let (mut lost_plain, mut lost, mut both) = (0, 0, 0);
    for key in 0..KEYS {
        // A replica of the row on each node; they have not heard of each other yet.
        let (mut in_east, mut in_west) = (Row::default(), Row::default());
        east.write(&mut in_east, "first")?;
        // The client has its answer, thinks for up to 8 ms, and writes again, at the other node.
        std::thread::sleep(Duration::from_micros(40 * key));
        west.write(&mut in_west, "second")?;

        // Now they exchange what they have.
        let plain = in_east.plain.max(in_west.plain);
        lost_plain += u64::from(plain.is_none_or(|(_, value)| value != "second"));
        let dropped = in_east.register.merge(in_west.register.state(), &east.clock.now()?)?;
        assert!(
            dropped.iter().all(|gone| *gone.version.value() == "first"),
            "only what certainly came earlier goes"
        );
        match in_east.register.read().latest() {
            Latest::One(&"second") => (),
            Latest::Several(several) => {
                both += 1;
                lost += u64::from(!several.iter().any(|version| *version.value() == "second"));
            }
            _ => lost += 1,
        }
    }
    println!(
        "{KEYS} keys, written twice each, every write acknowledged, the second after the answer to the first:"
    );
    println!("  the larger timestamp: {lost_plain} second writes are gone, and nobody was told");
    println!(
        "  the register:         {lost} are gone; {} stand alone, {both} beside the first",
        KEYS - both
    );
    assert!(lost_plain > 0 && lost == 0);

    // Who reads both decides, and whoever comes later sees one value again.
    let (mut row, mut other) = (Register::new(), Register::new());
    let now = east.clock.now()?;
    row.write("red", &now, &Seen::nothing())?;
    other.write("blue", &now, &Seen::nothing())?;
    row.merge(other.state(), &east.clock.now()?)?;
    let reading = row.read();
    let values: Vec<&str> = reading.versions().iter().map(|version| *version.value()).collect();
    println!("\na reader gets both where nobody can know: {values:?}");
    let seen = reading.seen().clone();
    row.write("violet", &west.clock.now()?, &seen)?;
    println!("it has seen both, and writes: {:?}", row.read().latest());
    assert_eq!(row.read().latest(), Latest::One(&"violet"));
    Ok(())
}
