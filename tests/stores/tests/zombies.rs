//! Leaders with leases from etcd that write to PostgreSQL. One process leads for many accounts at
//! once and is stopped by SIGSTOP between its checks and its writes, for longer than its leases;
//! another one takes over; the first wakes and writes. With the fence none of those writes is made;
//! without it, they overwrite.
//!
//! `SURECLOCK_ROUNDS=1000 cargo test --release --manifest-path tests/stores/Cargo.toml --test
//! zombies -- --nocapture`

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use sureclock::fence::{FencedWriter, FencingToken};
use sureclock::{Leadership, ResourceName, SureClock};
use sureclock_stores::etcd::{Etcd, EtcdLeases};
use sureclock_stores::{INSTALL, Postgres, require_postgres};

const TERM: Duration = Duration::from_secs(2);
const ARGUMENTS: &str = "SURECLOCK_TEST_ZOMBIE";
/// Accounts of one process, each with a lease of its own.
const ACCOUNTS: usize = 50;

/// A leader of all accounts of a round: says `ready` when it is about to write, and how its writes
/// went.
#[test]
#[ignore = "the process that the other test stops"]
fn leads() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let [etcd, database, round, fenced]: [&str; 4] =
        arguments.split('|').collect::<Vec<_>>().try_into().unwrap();
    let clock = SureClock::builder().ntp("127.0.0.1:1").max_faulty(0).start().unwrap();
    let (mut store, mut client) =
        (EtcdLeases::new(etcd), Client::connect(database, NoTls).unwrap());
    let mut leaderships = Vec::new();
    for account in 0..ACCOUNTS {
        let name = format!("{round}-{account}");
        let leadership = loop {
            if let Some(leadership) =
                Leadership::acquire(&mut store, &clock, resource(&name), TERM).unwrap()
            {
                break leadership;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        // First the barrier, then the balance is read.
        let writer = leadership.holder().writer(resource(&name));
        assert!(fence(&mut client, &writer.barrier()).unwrap());
        let balance = balance(&mut client, &name);
        leaderships.push((name, leadership, writer, balance));
        if account % 10 == 9 {
            for (_, leadership, ..) in &mut leaderships {
                assert!(
                    leadership.renew(&mut store, &clock).unwrap(),
                    "lost before it was stopped"
                );
            }
        }
    }
    assert!(
        leaderships.iter().all(|(_, leadership, ..)| leadership.lease().state(&clock).is_held())
    );
    // All checks are made. Here it is stopped.
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let (mut written, mut refused) = (0, 0);
    for (name, _, mut writer, balance) in leaderships {
        match deposit(&mut client, &name, &mut writer, balance + 10, fenced == "true") {
            Ok(()) => written += 1,
            Err(state) => {
                assert_eq!(state, "SF002", "refused as a zombie's");
                refused += 1;
            }
        }
    }
    println!("written {written} refused {refused}");
}

/// The resource of an account.
fn resource(account: &str) -> ResourceName {
    format!("accounts/{account}").parse().unwrap()
}

fn fence(client: &mut impl postgres::GenericClient, token: &FencingToken) -> Result<bool, String> {
    let uuid = |number: u128| format!("{number:032x}");
    let (sequence, write) = (token.sequence.cast_signed(), token.write.cast_signed());
    let call = "SELECT sureclock.fence($1, $2, $3::text::uuid, $4, $5::text::uuid, $6::text::uuid)";
    let parameters: [&(dyn postgres::types::ToSql + Sync); 6] = [
        &token.resource.as_str(),
        &sequence,
        &uuid(token.holder),
        &write,
        &uuid(token.previous),
        &uuid(token.id),
    ];
    let row = client.query_one(call, &parameters);
    row.map(|row| row.get(0))
        .map_err(|error| error.code().expect("an error of the database").code().to_owned())
}

fn balance(client: &mut Client, account: &str) -> i64 {
    client.query_one("SELECT balance FROM accounts WHERE name = $1", &[&account]).unwrap().get(0)
}

/// Writes what the leader takes the new balance to be.
fn deposit(
    client: &mut Client,
    account: &str,
    writer: &mut FencedWriter,
    balance: i64,
    fenced: bool,
) -> Result<(), String> {
    let mut transaction = client.transaction().unwrap();
    if fenced {
        fence(&mut transaction, &writer.token(&balance.to_le_bytes()).unwrap())?;
    }
    transaction
        .execute("UPDATE accounts SET balance = $2 WHERE name = $1", &[&account, &balance])
        .unwrap();
    transaction.commit().unwrap();
    Ok(())
}

struct Leader {
    child: Child,
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Leader {
    fn start(etcd: &Etcd, database: &Postgres, round: u64, fenced: bool) -> Leader {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "leads", "--ignored", "--nocapture"]);
        command.env(ARGUMENTS, format!("{}|{}|{round}|{fenced}", etcd.url(), database.url()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Leader { child, stdin, said: BufReader::new(stdout).lines() }
    }

    fn until(&mut self, word: &str) -> String {
        let line = self.said.by_ref().map_while(Result::ok).find(|line| line.contains(word));
        line.unwrap_or_else(|| panic!("the leader did not say {word}"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets it write, and gives how many writes were made and refused.
    fn write(mut self) -> (usize, usize) {
        writeln!(self.stdin).unwrap();
        let line = self.until("written");
        let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
        let counts = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(self.child.wait().unwrap().success());
        counts
    }
}

/// One process is stopped, another one takes over and writes, the first wakes and writes: how many
/// of its writes were made.
fn round(etcd: &Etcd, database: &Postgres, client: &mut Client, round: u64, fenced: bool) -> usize {
    for account in 0..ACCOUNTS {
        let name = format!("{round}-{account}");
        client.execute("INSERT INTO accounts VALUES ($1, 0)", &[&name]).unwrap();
    }
    let mut first = Leader::start(etcd, database, round, fenced);
    first.until("ready");
    first.signal(Signal::STOP);
    let mut second = Leader::start(etcd, database, round, fenced);
    second.until("ready");
    assert_eq!(second.write(), (ACCOUNTS, 0));
    let answered = |client: &mut Client| -> i64 {
        let sum = "SELECT sum(balance)::int8 FROM accounts WHERE name LIKE $1";
        client.query_one(sum, &[&format!("{round}-%")]).unwrap().get(0)
    };
    assert_eq!(answered(client), 10 * ACCOUNTS as i64);
    first.signal(Signal::CONT);
    let (written, refused) = first.write();
    assert_eq!(written + refused, ACCOUNTS);
    // Each write that was answered is a deposit of 10: those that are missing were overwritten.
    let lost = 10 * (ACCOUNTS + written) as i64 - answered(client);
    assert_eq!(lost, 10 * written as i64, "a zombie's write is a deposit that is lost");
    written
}

#[test]
fn no_zombie_of_many_writes_past_the_fence_and_without_it_they_do() {
    let Some(bin) = require_postgres() else { return };
    let Some(etcd) = Etcd::start().unwrap() else { return };
    let database = Postgres::start(&bin).unwrap();
    let mut client = Client::connect(&database.url(), NoTls).unwrap();
    client.batch_execute("CREATE TABLE accounts (name text PRIMARY KEY, balance int8)").unwrap();
    client.batch_execute(INSTALL).unwrap();
    client.batch_execute("SELECT sureclock.allow('accounts', 'test')").unwrap();
    let rounds: usize = std::env::var("SURECLOCK_ROUNDS")
        .map_or(100, |rounds| rounds.parse().expect("a number of rounds"));
    let (mut zombies, mut written) = (0, 0);
    for number in 0..rounds.div_ceil(ACCOUNTS) as u64 {
        written += round(&etcd, &database, &mut client, number, true);
        zombies += ACCOUNTS;
        println!("{zombies} zombies, {written} of their writes were made");
    }
    assert_eq!(written, 0);
    let unfenced = round(&etcd, &database, &mut client, 1_000_000, false);
    println!(
        "without the fence {unfenced} of {ACCOUNTS} zombies wrote, and as many deposits are lost"
    );
    assert_eq!(unfenced, ACCOUNTS);
}
