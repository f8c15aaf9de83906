//! Two machines compare timestamps: before, after, or *cannot know*. Two clocks with servers of
//! their own stand for them.
//!
//! `cargo run --release --example two_machines`

use std::time::Duration;
use sureclock::{Order, SureClock, TimeInterval};

mod support;

fn machine() -> Result<SureClock, Box<dyn std::error::Error>> {
    let mut builder = SureClock::builder();
    for _ in 0..3 {
        builder = builder.ntp(support::start_reference_server()?.to_string());
    }
    let clock = builder.start()?;
    clock.wait_synchronized(Duration::from_secs(10))?;
    Ok(clock)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (one, two) = (machine()?, machine()?);

    // An event on each, right after another: too close to tell.
    let (a, b) = (one.now()?, two.now()?);
    show("one right after the other", &a, &b)?;

    // An event on the second machine when the first one's is certainly past.
    let a = one.now()?;
    one.wait_until_after(a.latest()).wait()?;
    let b = two.now()?;
    show("one after the other's wait ", &a, &b)?;

    // What travels is text or serde; a monotonic reading has neither.
    let received: TimeInterval = a.to_string().parse()?;
    println!("\nas received by the other machine: {received}");
    println!("the order stays certain: {:?}", received.order(&b)?);
    Ok(())
}

fn show(
    what: &str,
    a: &TimeInterval,
    b: &TimeInterval,
) -> Result<(), sureclock::TimescaleMismatch> {
    let verdict = match a.order(b)? {
        Order::Before => "the first was before the second, certainly",
        Order::After => "the first was after the second, certainly",
        Order::Concurrent => "cannot know: do not pick a winner",
    };
    println!("{what}\n  {a}\n  {b}\n  {verdict}");
    Ok(())
}
