//! A leader is stopped for longer than its lease, another one takes over, and the first wakes up
//! between its check and its write. First without a fence, then with one. Offline; the leaders are
//! processes of their own, really stopped by SIGSTOP.
//!
//! `cargo run --release --features serde --example zombie_leader`

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use store::{Answer, Ask, Result, Store};
use sureclock::fence::FencingHolder;
use sureclock::{Lease, SureClock};

mod store;

const TERM: Duration = Duration::from_millis(500);

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("leader") {
        return lead();
    }
    for fenced in [false, true] {
        println!("{} a fence", if fenced { "with" } else { "without" });
        let mut store = Store::new(clock()?, fenced)?;
        run(&mut store, "first", true)?;
        let (balance, deposited) = (store.balance(), store.deposited);
        println!("  deposits that were answered: {deposited}, balance: {balance}\n");
        assert_eq!(balance == deposited, fenced, "the fence makes the difference");
    }
    Ok(())
}

/// A lease by duration needs the counter alone: there is no server at this address.
fn clock() -> Result<SureClock> {
    Ok(SureClock::builder().ntp("127.0.0.1:1").max_faulty(0).start()?)
}

/// A leader: deposits 10 three times, and ends.
fn lead() -> Result<()> {
    let (clock, mut lease) = (clock()?, Lease::new(store::NAME.parse()?)?);
    let sequence = loop {
        match ask(&Ask::Lease(lease.request(&clock, TERM)?))? {
            Answer::Granted(grant, sequence) => {
                break lease.granted(&clock, &grant).map(|()| sequence)?;
            }
            _ => sleep(TERM / 10),
        }
    };
    let mut writer = FencingHolder::new(sequence)?.writer(store::NAME.parse()?);
    let Answer::Balance(mut balance) = ask(&Ask::Lead(writer.barrier()))? else { return Ok(()) };
    for _ in 0..3 {
        if !lease.state(&clock).is_held() {
            return Ok(());
        }
        // It holds the lease. And now, before the next line, it is stopped.
        ask(&Ask::AboutToWrite)?;
        balance += 10;
        if let Answer::Refused(_) =
            ask(&Ask::Write(writer.token(&balance.to_le_bytes())?, balance))?
        {
            return Ok(());
        }
    }
    Ok(())
}

fn ask(ask: &Ask) -> Result<Answer> {
    println!("{}", serde_json::to_string(ask)?);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Runs a leader until it ends; the first one is stopped before its third write, and the second one
/// runs meanwhile.
fn run(store: &mut Store, name: &str, stops: bool) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.arg("leader").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let pid = child.id().to_string();
    let signal = |signal: &str| Command::new("kill").args([signal, &pid]).status();
    let (mut stdin, stdout) =
        (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
    let mut writes = 0;
    for line in BufReader::new(stdout).lines() {
        let ask: Ask = serde_json::from_str(&line?)?;
        writes += usize::from(matches!(ask, Ask::AboutToWrite));
        if stops && writes == 3 && matches!(ask, Ask::AboutToWrite) {
            let stopped = Instant::now();
            signal("-STOP")?;
            run(store, "second", false)?;
            signal("-CONT")?;
            println!(
                "  the first leader wakes after {:.1?}, and goes on to write",
                stopped.elapsed()
            );
        }
        let answer = store.answer(name, ask)?;
        writeln!(stdin, "{}", serde_json::to_string(&answer)?)?;
    }
    child.wait()?;
    Ok(())
}
