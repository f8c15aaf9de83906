//! Starts real chronyd daemons on loopback: honest servers, followers behind a path, and liars.
//!
//! It never touches the machine's clock: chronyd runs with `-x` (no control of the clock), and where the test itself
//! could set the clock, `setpriv` takes that capability away from the daemon for good; without `setpriv` nothing starts.
//!
//! How a liar is made: with `-x` chronyd keeps its correction of the clock to itself, and serves the corrected time.
//! The `offset` of a `server` line is added to what is measured there, so the served time is that much ahead of the
//! upstream's. Seen with chronyd 4.3, and held by `tests/support_works.rs`.
//!
//! A follower is synchronized after three samples, but then its root dispersion may be a second, growing by a second
//! each second, and a liar with such a dispersion tells no lie. So [`Chronyd::wait_until_serving`] waits until it has
//! settled: sooner on loopback, later behind a path that takes 10 ms or more there and back, since chronyd then asks no
//! more than once a second.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::ntp_probe::{self, Answer, Header};

/// The daemon, or None after saying on stderr that the test is skipped. Where skipping is not allowed, it panics.
///
/// # Panics
/// If there is no chronyd and the environment says `CI=true`: a skipped test must not count as passed there.
pub(crate) fn require_chronyd() -> Option<PathBuf> {
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    found_or_skipped(chronyd_available(), ci)
}

/// Where chronyd is, or what to install. Looks in `PATH`, `/usr/sbin` and `/usr/local/sbin`.
pub(crate) fn chronyd_available() -> Result<PathBuf, String> {
    program("chronyd").ok_or_else(|| {
        "no chronyd in PATH, /usr/sbin or /usr/local/sbin; it is in the Debian package `chrony`".to_owned()
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
    // Not eprintln: the test harness would swallow it, and a skipped test would look like a passed one.
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

    /// Follows `upstream`, but serves a time that is ahead of it by `offset_ns`, and says nothing of it.
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

    /// The root dispersion below which a follower counts as settled; a path with much jitter needs more than 5 ms.
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
                let (seconds, nanos) =
                    (offset_ns.unsigned_abs() / 1_000_000_000, offset_ns.unsigned_abs() % 1_000_000_000);
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

/// A running daemon with a directory of its own; dropping it kills the process and removes the directory.
#[derive(Debug)]
pub(crate) struct Chronyd {
    addr: SocketAddr,
    child: Child,
    /// For followers only.
    settled_below: Option<Duration>,
    started: Instant,
    // Last, so that they outlive the child.
    dir: TempDir,
    _reserved: TcpListener,
}

impl Chronyd {
    /// Returns as soon as the daemon answers at all; it may not be synchronized yet.
    ///
    /// # Errors
    /// If there is no chronyd, if the clock could not be put out of its reach, or if it does not come up; then with
    /// its log.
    pub(crate) fn start(config: Config) -> io::Result<Self> {
        let program = chronyd_available().map_err(|reason| io::Error::new(io::ErrorKind::NotFound, reason))?;
        let deadline = Instant::now() + COMES_UP_WITHIN;
        loop {
            let mut daemon = Self::spawn(&program, &config)?;
            if daemon.comes_up(deadline)? {
                return Ok(daemon);
            }
            if Instant::now() >= deadline {
                return Err(daemon.error(io::ErrorKind::AddrInUse, "found its port in use, as did all before it"));
            }
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
        fs::read_to_string(self.dir.0.join("log")).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Waits for an answer from a synchronized clock; of a follower, for one with a measured root delay and a root
    /// dispersion that is small and has been for a while.
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
                    if self.settled_below.is_none() || since.elapsed() >= SETTLED_FOR {
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
            && self.settled_below.is_none_or(|below| header.root_delay > 0 && header.root_dispersion() < below)
    }

    fn spawn(program: &Path, config: &Config) -> io::Result<Self> {
        let dir = TempDir::new()?;
        let (reserved, addr) = reserve_port()?;
        let config_path = dir.0.join("chrony.conf");
        fs::write(&config_path, config.file(addr.port(), &dir.0))?;
        let log = File::create(dir.0.join("log"))?;
        let mut command = out_of_reach_of_the_clock(program)?;
        // -U with `-u root`: no change of user, whoever we are; root would become `_chrony`, who cannot read `dir`.
        command.args(["-x", "-d", "-U", "-u", "root", "-L", "0", "-t"]);
        command.arg(config.lifetime.as_secs().max(1).to_string()).arg("-f").arg(&config_path);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn()?;
        Ok(Self {
            addr,
            child,
            settled_below: config.follows.map(|_| config.settled_below),
            started: Instant::now(),
            dir,
            _reserved: reserved,
        })
    }

    /// True once it answers; false if somebody else holds its port. Then chronyd 4.3 runs on without serving.
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
                return Err(self.error(io::ErrorKind::TimedOut, &format!("gave no answer within {COMES_UP_WITHIN:?}")));
            }
            thread::sleep(BETWEEN_QUESTIONS);
        }
    }

    fn ended(&self, status: ExitStatus) -> io::Error {
        self.error(io::ErrorKind::BrokenPipe, &format!("ended: {status}"))
    }

    fn error(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        let config = fs::read_to_string(self.dir.0.join("chrony.conf")).unwrap_or_default();
        io::Error::new(
            kind,
            format!("chronyd at {} {what}\n--- configuration\n{config}--- log\n{}", self.addr, self.log()),
        )
    }
}

impl Drop for Chronyd {
    fn drop(&mut self) {
        // It may have ended by itself; `wait` collects it in either case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `program`, wrapped so that neither it nor its children can gain the capability to set the clock.
fn out_of_reach_of_the_clock(program: &Path) -> io::Result<Command> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !may_set_the_clock(&status) {
        return Ok(Command::new(program));
    }
    let setpriv = self::program("setpriv").ok_or_else(|| {
        let reason = "this user may set the clock, and there is no setpriv (Debian package `util-linux`) to prevent it";
        io::Error::new(io::ErrorKind::NotFound, reason)
    })?;
    let mut command = Command::new(setpriv);
    command.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"]).arg(program);
    Ok(command)
}

/// Judges a `/proc/<pid>/status` by its capability sets. Elsewhere than on Linux there is none, and `-x` has to do.
pub(crate) fn may_set_the_clock(status: &str) -> bool {
    // CAP_SYS_TIME. The bounding set counts for root only, who gains all of it by starting a program.
    let holds =
        |set: &str| field(status, set).is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok_and(holds_sys_time));
    let root = field(status, "Uid:").is_some_and(|id| id == "0");
    holds("CapPrm:") || holds("CapEff:") || (root && holds("CapBnd:"))
}

fn holds_sys_time(capabilities: u64) -> bool {
    capabilities & (1 << 25) != 0
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next())
}

/// A UDP port of 127.0.0.1 that is free now, with what keeps other tests away from it.
///
/// chronyd binds its port with `SO_REUSEADDR`: two daemons on one port both start, and one of them never hears a thing.
/// So the port is claimed by listening on the TCP port of the same number, which only one process can do, and which
/// ends with the process.
fn reserve_port() -> io::Result<(TcpListener, SocketAddr)> {
    loop {
        let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = claim.local_addr()?;
        match UdpSocket::bind(addr) {
            Ok(_released) => return Ok((claim, addr)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(more).map(|dir| dir.join(OsStr::new(name))).find(|file| file.is_file())
}

/// A directory that nobody else uses, removed when dropped.
#[derive(Debug)]
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let dir = env::temp_dir().join(format!("sureclock-chronyd-{}-{number}", process::id()));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(Self(dir)),
                // Left by a process of the same id that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Log2 of the seconds between a follower's questions. Smaller: more load for a start that is sooner by 0.1 s at most;
/// larger: settles later, with 0 after 1 to 3 s. Behind 10 ms and more of round trip chronyd makes it 0 anyway.
const POLL: i8 = -2;

/// Larger: the smallest liars, 15 ms, are admitted to be unsure; smaller: a busy machine needs longer to get there.
const SETTLED_BELOW: Duration = Duration::from_millis(5);

/// An unsettled dispersion is small for a moment after each sample and then grows by a second each second. Shorter: such
/// a moment passes for settled; longer: every follower starts later.
const SETTLED_FOR: Duration = Duration::from_millis(100);

/// When a daemon ends itself. Shorter than a test: it fails; longer: daemons of killed tests stay around.
const LIFETIME: Duration = Duration::from_secs(600);

/// From the start of the process to its first answer. Usual are 5 to 30 ms; the rest is for machines under load.
const COMES_UP_WITHIN: Duration = Duration::from_secs(10);

/// An answer on loopback takes below 1 ms; a question lost at start-up costs this much.
const ONE_QUESTION: Duration = Duration::from_millis(100);

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(5);
