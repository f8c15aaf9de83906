//! Starts real chronyd daemons on loopback: honest servers, followers behind a path, and liars.
//!
//! It never touches the machine's clock: chronyd runs with `-x` (no control of the clock), and
//! where the test itself could set the clock, `setpriv` takes that capability away from the daemon
//! for good; without `setpriv` nothing starts.
//!
//! How a liar is made: with `-x` chronyd keeps its correction of the clock to itself, and serves
//! the corrected time. The `offset` of a `server` line is added to what is measured there, so the
//! served time is that much ahead of the upstream's. Seen with chronyd 4.3, and held by
//! `tests/support_works.rs`.
//!
//! A follower is synchronized after three samples, but then its root dispersion may be a second,
//! growing by a second each second, and a liar with such a dispersion tells no lie. So
//! [`Chronyd::wait_until_serving`] waits until it has settled: sooner on loopback, later behind a
//! path that takes 10 ms or more there and back, since chronyd then asks no more than once a
//! second.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use super::host::may_set_the_clock;
use super::host::{self, TempDir};
use super::ntp_probe::{self, Answer, Header};

/// The daemon, or None after saying on stderr that the test is skipped. Where skipping is not
/// allowed, it panics.
///
/// # Panics
/// If there is no chronyd and the environment says `CI=true`: a skipped test must not count as
/// passed there.
pub(crate) fn require_chronyd() -> Option<PathBuf> {
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    found_or_skipped(chronyd_available(), ci)
}

/// Where chronyd is, or what to install. Looks in `PATH`, `/usr/sbin` and `/usr/local/sbin`.
pub(crate) fn chronyd_available() -> Result<PathBuf, String> {
    host::program("chronyd").ok_or_else(|| {
        "no chronyd in PATH, /usr/sbin or /usr/local/sbin; it is in the Debian package `chrony`"
            .to_owned()
    })
}

/// The rule of [`require_chronyd`], without the environment.
pub(crate) fn found_or_skipped(found: Result<PathBuf, String>, ci: bool) -> Option<PathBuf> {
    let reason = match found {
        Ok(path) => return Some(path),
        Err(reason) => reason,
    };
    let this = thread::current();
    let test = this.name().unwrap_or("an unnamed thread");
    assert!(!ci, "{test} cannot run, and CI=true allows no skipping: {reason}");
    // Not eprintln: the test harness would swallow it, and a skipped test would look like a passed
    // one.
    let _ = writeln!(io::stderr(), "SKIPPED no-chronyd: {test}: {reason}");
    None
}

/// What a daemon shall do.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    follows: Option<Follows>,
    lines: Vec<String>,
    settled_below: Duration,
    lifetime: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Follows {
    upstream: SocketAddr,
    offset_ns: i64,
    poll: i8,
}

impl Config {
    /// Serves the host's clock as stratum 1, with root delay and root dispersion zero.
    pub(crate) fn honest() -> Self {
        Self { follows: None, lines: Vec::new(), settled_below: SETTLED_BELOW, lifetime: LIFETIME }
    }

    /// Follows `upstream` and serves its time, one stratum higher.
    pub(crate) fn follower(upstream: SocketAddr) -> Self {
        Self::liar(upstream, 0)
    }

    /// Follows `upstream`, but serves a time that is ahead of it by `offset_ns`, and says nothing
    /// of it.
    pub(crate) fn liar(upstream: SocketAddr, offset_ns: i64) -> Self {
        Self { follows: Some(Follows { upstream, offset_ns, poll: POLL }), ..Self::honest() }
    }

    /// Asks the upstream each 2^`poll` seconds, -7 to 24. An honest server asks nobody.
    pub(crate) fn poll(mut self, poll: i8) -> Self {
        if let Some(follows) = &mut self.follows {
            follows.poll = poll;
        }
        self
    }

    /// Adds a line to the configuration file as it stands.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The root dispersion below which a follower counts as settled; a path with much jitter needs
    /// more than 5 ms.
    pub(crate) fn settled_below(self, settled_below: Duration) -> Self {
        Self { settled_below, ..self }
    }

    /// The daemon ends itself after so many whole seconds, in case nobody is left to stop it.
    pub(crate) fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    fn file(&self, port: u16, dir: &Path) -> String {
        let mut file = format!(
            "port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
            dir.join("pid").display()
        );
        match self.follows {
            None => file.push_str("local stratum 1\n"),
            Some(Follows { upstream, offset_ns, poll }) => {
                let sign = if offset_ns < 0 { "-" } else { "" };
                let (seconds, nanos) = (
                    offset_ns.unsigned_abs() / 1_000_000_000,
                    offset_ns.unsigned_abs() % 1_000_000_000,
                );
                file.push_str(&format!(
                    "server {} port {} iburst minpoll {poll} maxpoll {poll} offset {sign}{seconds}.{nanos:09}\n",
                    upstream.ip(),
                    upstream.port(),
                ));
            }
        }
        for line in &self.lines {
            file.push_str(line);
            file.push('\n');
        }
        file
    }
}

/// A running daemon with a directory of its own; dropping it kills the process and removes the
/// directory.
#[derive(Debug)]
pub(crate) struct Chronyd {
    addr: SocketAddr,
    child: Child,
    program: PathBuf,
    config: Config,
    started: Instant,
    // Last, so that they outlive the child.
    dir: TempDir,
    _reserved: TcpListener,
}

impl Chronyd {
    /// Returns as soon as the daemon answers at all; it may not be synchronized yet.
    ///
    /// # Errors
    /// If there is no chronyd, if the upstream is not on loopback, if the clock could not be put
    /// out of its reach, or if it does not come up; then with its log.
    pub(crate) fn start(config: Config) -> io::Result<Self> {
        if config.follows.is_some_and(|follows| !follows.upstream.ip().is_loopback()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the daemon talks to loopback only",
            ));
        }
        let program = chronyd_available()
            .map_err(|reason| io::Error::new(io::ErrorKind::NotFound, reason))?;
        let deadline = Instant::now() + COMES_UP_WITHIN;
        loop {
            let mut daemon = Self::spawn(&program, &config)?;
            if daemon.comes_up(deadline)? {
                return Ok(daemon);
            }
            if Instant::now() >= deadline {
                return Err(daemon.error(
                    io::ErrorKind::AddrInUse,
                    "found its port in use, as did all before it",
                ));
            }
        }
    }

    /// Kills the daemon, which then answers nothing; its port stays its own among daemons of tests.
    pub(crate) fn stop(&mut self) {
        // It may have ended by itself; `wait` collects it in either case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops the daemon if it runs and starts it anew on the same port, with nothing learned
    /// before; returns as [`start`](Self::start) does, and its log and age begin anew.
    ///
    /// # Errors
    /// As [`start`](Self::start), and if somebody else keeps the port meanwhile.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + COMES_UP_WITHIN;
        loop {
            self.stop();
            // A killed daemon leaves it behind, and its successor would refuse to start if the id
            // were in use again.
            let _ = fs::remove_file(self.dir.path().join("pid"));
            self.child = launch(&self.program, self.dir.path(), self.config.lifetime)?;
            self.started = Instant::now();
            if self.comes_up(deadline)? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(
                    self.error(io::ErrorKind::AddrInUse, "found its port in use after a restart")
                );
            }
            // A question of another test may have been given this port; it soon ends.
            thread::sleep(BETWEEN_QUESTIONS);
        }
    }

    /// Where it serves.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How long ago the process was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log"))
            .unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Waits for an answer from a synchronized clock; of a follower, for one with a measured root
    /// delay and a root dispersion that is small and has been for a while.
    ///
    /// # Errors
    /// If none came in time or the daemon ended; then with its log and the last answer.
    pub(crate) fn wait_until_serving(&mut self, timeout: Duration) -> io::Result<Answer> {
        let deadline = Instant::now() + timeout;
        let mut last = None;
        let mut good_since = None;
        loop {
            if let Ok(answer) = ntp_probe::ask(self.addr, ONE_QUESTION) {
                if !self.good(&answer.header) {
                    good_since = None;
                } else {
                    let since: Instant = *good_since.get_or_insert_with(Instant::now);
                    if self.config.follows.is_none() || since.elapsed() >= SETTLED_FOR {
                        return Ok(answer);
                    }
                }
                last = Some(answer.header);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.ended(status));
            }
            if Instant::now() >= deadline {
                let what = format!("is not serving after {timeout:?}; last answer: {last:?}");
                return Err(self.error(io::ErrorKind::TimedOut, &what));
            }
            thread::sleep(BETWEEN_QUESTIONS);
        }
    }

    fn good(&self, header: &Header) -> bool {
        header.synchronized()
            && (self.config.follows.is_none()
                || (header.root_delay > 0 && header.root_dispersion() < self.config.settled_below))
    }

    fn spawn(program: &Path, config: &Config) -> io::Result<Self> {
        let dir = TempDir::new()?;
        let (reserved, addr) = host::reserve_port()?;
        fs::write(dir.path().join("chrony.conf"), config.file(addr.port(), dir.path()))?;
        let child = launch(program, dir.path(), config.lifetime)?;
        let (program, config, started) = (program.to_owned(), config.clone(), Instant::now());
        Ok(Self { addr, child, program, config, started, dir, _reserved: reserved })
    }

    /// True once it answers; false if somebody else holds its port. Then chronyd 4.3 runs on
    /// without serving.
    fn comes_up(&mut self, deadline: Instant) -> io::Result<bool> {
        loop {
            if self.log().contains("Could not open NTP socket") {
                return Ok(false);
            }
            if ntp_probe::ask(self.addr, ONE_QUESTION).is_ok() {
                return Ok(true);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.ended(status));
            }
            if Instant::now() >= deadline {
                return Err(self.error(
                    io::ErrorKind::TimedOut,
                    &format!("gave no answer within {COMES_UP_WITHIN:?}"),
                ));
            }
            thread::sleep(BETWEEN_QUESTIONS);
        }
    }

    fn ended(&self, status: ExitStatus) -> io::Error {
        self.error(io::ErrorKind::BrokenPipe, &format!("ended: {status}"))
    }

    fn error(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        let config = fs::read_to_string(self.dir.path().join("chrony.conf")).unwrap_or_default();
        io::Error::new(
            kind,
            format!(
                "chronyd at {} {what}\n--- configuration\n{config}--- log\n{}",
                self.addr,
                self.log()
            ),
        )
    }
}

impl Drop for Chronyd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the process on the `chrony.conf` in `dir`, with a new `log` there.
fn launch(program: &Path, dir: &Path, lifetime: Duration) -> io::Result<Child> {
    let log = File::create(dir.join("log"))?;
    let mut command = host::out_of_reach_of_the_clock(program)?;
    // -U with `-u root`: no change of user, whoever we are; root would become `_chrony`, who cannot
    // read `dir`.
    command.args(["-x", "-d", "-U", "-u", "root", "-L", "0", "-t"]);
    command.arg(lifetime.as_secs().max(1).to_string()).arg("-f").arg(dir.join("chrony.conf"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn()
}

/// Log2 of the seconds between a follower's questions. Smaller: more load for a start that is
/// sooner by 0.1 s at most; larger: settles later, with 0 after 1 to 3 s. Behind 10 ms and more of
/// round trip chronyd makes it 0 anyway.
const POLL: i8 = -2;

/// Larger: the smallest liars, 15 ms, are admitted to be unsure; smaller: a busy machine needs
/// longer to get there.
const SETTLED_BELOW: Duration = Duration::from_millis(5);

/// An unsettled dispersion is small for a moment after each sample and then grows by a second each
/// second. Shorter: such a moment passes for settled; longer: every follower starts later.
const SETTLED_FOR: Duration = Duration::from_millis(100);

/// When a daemon ends itself. Shorter than a test: it fails; longer: daemons of killed tests stay
/// around.
const LIFETIME: Duration = Duration::from_secs(600);

/// From the start of the process to its first answer. Usual are 5 to 30 ms; the rest is for
/// machines under load.
const COMES_UP_WITHIN: Duration = Duration::from_secs(10);

/// An answer on loopback takes below 1 ms; a question lost at start-up costs this much.
const ONE_QUESTION: Duration = Duration::from_millis(100);

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(5);
