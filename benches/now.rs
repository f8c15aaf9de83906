//! The hot paths beside the operating system's own calls. `cargo bench --bench now`
#![allow(missing_docs, reason = "criterion_group! makes a public function without docs")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime};
use sureclock::ntp::{ServerIdentity, respond};
use sureclock::{SureClock, TimeInterval, Timescale};

/// A clock over the machine's own counter, synchronized with a reference server on loopback.
fn clock() -> SureClock {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let server = socket.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let point = SureClock::wall_time().assume_true();
            let half = Duration::from_micros(100);
            let ends = point.checked_sub(half).zip(point.checked_add(half)).expect("in range");
            let time = TimeInterval::new(ends.0, ends.1, Timescale::Utc).expect("in order");
            if let Ok(reply) = respond(&buffer[..length], &time, &time, &ServerIdentity::default()) {
                let _ = socket.send_to(&reply, client);
            }
        }
    });
    let clock = SureClock::builder().ntp(server.to_string()).max_faulty(0).start().expect("starts");
    clock.wait_synchronized(Duration::from_secs(10)).expect("synchronizes");
    clock
}

fn benches(c: &mut Criterion) {
    let clock = clock();
    let past = clock.now().expect("synchronized").earliest();
    let mut group = c.benchmark_group("now");
    group.bench_function("SystemTime::now", |b| b.iter(|| black_box(SystemTime::now())));
    group.bench_function("Instant::now", |b| b.iter(|| black_box(Instant::now())));
    group.bench_function("monotonic", |b| b.iter(|| black_box(clock.monotonic())));
    group.bench_function("now", |b| b.iter(|| black_box(clock.now())));
    group.bench_function("after", |b| b.iter(|| black_box(clock.after(black_box(past)))));
    group.bench_function("commit_timestamp", |b| b.iter(|| black_box(clock.commit_timestamp())));
    group.finish();
}

criterion_group!(now, benches);
criterion_main!(now);
