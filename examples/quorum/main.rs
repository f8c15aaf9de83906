//! A node that hears nothing *suspects*, by the time that has passed on its own counter. Only the
//! record of a quorum *declares*, with a sequence that the fence knows. Three nodes; the store is
//! an etcd whose address is given, or three replicas inside this process. Offline.
//!
//! `cargo run --release --example quorum [http://127.0.0.1:2379]`

use embedded::Embedded;
use etcd::EtcdLeases;
use std::fmt::Display;
use std::thread::sleep;
use std::time::Duration;
use sureclock::fence::{Fence, FencedWriter, Locked};
use sureclock::{Leadership, LeaseStore, MonotonicTime, ResourceName, SureClock};

mod embedded;
#[allow(unreachable_pub, dead_code, reason = "the tests against real stores have it too")]
mod etcd;

const TERM: Duration = Duration::from_secs(4);
/// Silence for so long is suspicious: much less than the term.
const SUSPICIOUS: Duration = Duration::from_millis(300);
const NAME: &str = "sureclock-example-quorum";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    // Elapsed time needs the counter alone: there is no server at this address.
    let clock = SureClock::builder().ntp("127.0.0.1:1").max_faulty(0).start()?;
    match std::env::args().nth(1) {
        Some(url) => run(&clock, [EtcdLeases::new(&url), EtcdLeases::new(&url)]),
        None => {
            let [a, b, mut cut_off] = Embedded::new(&clock);
            run(&clock, [a, b])?;
            cut_off.reaches = 1;
            let refused = Leadership::acquire(&mut cut_off, &clock, NAME.parse()?, TERM)
                .err()
                .ok_or("it took a lease by itself")?;
            println!(
                "a third node, which reaches one replica of three, suspects everybody: {refused}"
            );
            Ok(())
        }
    }
}

/// Whether a node that heard of another one then suspects it now.
fn suspects(clock: &SureClock, heard: MonotonicTime) -> bool {
    clock.elapsed(heard, clock.monotonic()).is_none_or(|silence| silence.at_least >= SUSPICIOUS)
}

fn write(resource: &Fence<u64>, writer: &mut FencedWriter, value: u64) -> Result<()> {
    let token = writer.token(&value.to_le_bytes())?;
    if let Locked::Write(mut guard) = resource.lock(&token)? {
        *guard = value;
        guard.commit();
    }
    Ok(())
}

fn run<S: LeaseStore<Error: Display + std::fmt::Debug>>(
    clock: &SureClock,
    [mut at_a, mut at_b]: [S; 2],
) -> Result<()> {
    let name: ResourceName = NAME.parse()?;
    let resource = Fence::new(name, 0);
    let acquire = |store: &mut S| {
        Leadership::acquire(store, clock, name, TERM).map_err(|error| error.to_string())
    };
    let a = acquire(&mut at_a)?.ok_or("somebody has the lease: wait for its end")?;
    let mut writer_a = a.holder().writer(name);
    let _ = resource.lock(&writer_a.barrier())?;
    println!("a leads, sequence {}", writer_a.barrier().sequence);

    let heard = clock.monotonic();
    while !suspects(clock, heard) {
        sleep(SUSPICIOUS / 30);
    }
    println!(
        "b has heard nothing for {SUSPICIOUS:?} and suspects a; a's messages are late, no more"
    );
    assert!(acquire(&mut at_b)?.is_none());
    println!(
        "  the quorum does not declare: a's lease runs. Had b acted upon its suspicion, there would be two leaders"
    );
    assert!(a.lease().state(clock).is_held());
    write(&resource, &mut writer_a, 1)?;

    println!("now a stops, for longer than its lease");
    let b = loop {
        match acquire(&mut at_b)? {
            Some(b) => break b,
            None => sleep(SUSPICIOUS / 3),
        }
    };
    let mut writer_b = b.holder().writer(name);
    let _ = resource.lock(&writer_b.barrier())?;
    write(&resource, &mut writer_b, 2)?;
    println!(
        "  the quorum declares: b leads, sequence {}, and writes",
        writer_b.barrier().sequence
    );

    println!("a wakes: its lease is {:?}; and if it does not look:", a.lease().state(clock));
    assert!(!a.lease().state(clock).is_held());
    let refused = write(&resource, &mut writer_a, 3).err().ok_or("a zombie wrote")?;
    println!("  its write is refused: {refused}");
    assert_eq!(resource.read(), 2);
    Ok(())
}
