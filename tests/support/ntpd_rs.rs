//! Starts a real ntpd-rs on loopback as a server: another implementation than chronyd, with the
//! host's clock as its own.
//!
//! It has no sources, so it has no reason to touch the clock; and it cannot: it is started as
//! chronyd is, and what a process started so may do is looked at before it runs and again while it
//! does.
//!
//! The program is `ntp-daemon` of the crate `ntpd`: in `PATH`, or where `SURECLOCK_NTPD_RS` says.
//! Without it a test is skipped and says so, unless `SURECLOCK_REQUIRE_NTPD_RS` is set.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::host::{self, TempDir, may_set_the_clock};
use super::ntp_probe;

/// The program, or None after saying on stderr that the test is skipped.
///
/// # Panics
/// If it is not there and `SURECLOCK_REQUIRE_NTPD_RS` is set, and if `SURECLOCK_NTPD_RS` names no
/// file.
pub(crate) fn require_ntpd_rs() -> Option<PathBuf> {
    let named = env::var_os("SURECLOCK_NTPD_RS").map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_file(), "SURECLOCK_NTPD_RS={}: there is no such file", named.display());
    }
    found_or_skipped(
        named.or_else(|| host::program("ntp-daemon")),
        env::var_os("SURECLOCK_REQUIRE_NTPD_RS").is_some(),
    )
}

/// The rule of [`require_ntpd_rs`], without the environment.
pub(crate) fn found_or_skipped(found: Option<PathBuf>, required: bool) -> Option<PathBuf> {
    let reason = "no ntp-daemon in PATH; `cargo install ntpd --locked` builds it in minutes";
    assert!(
        found.is_some() || !required,
        "SURECLOCK_REQUIRE_NTPD_RS is set, and there is {reason}"
    );
    if found.is_none() {
        let _ = writeln!(
            io::stderr(),
            "SKIPPED no-ntpd-rs: {}: {reason}",
            thread::current().name().unwrap_or("?")
        );
    }
    found
}

/// A running daemon; dropping it ends the process and removes its directory.
pub(crate) struct NtpdRs {
    addr: SocketAddr,
    child: Child,
    // Last, so that they outlive the child.
    dir: TempDir,
    _reserved: TcpListener,
}

impl NtpdRs {
    /// Serves the host's clock as stratum 1; returns when it answers.
    ///
    /// # Errors
    /// If the clock could not be put out of its reach, or it does not answer; then with its log.
    pub(crate) fn start(program: &Path) -> io::Result<NtpdRs> {
        nothing_started_so_may_set_the_clock()?;
        let dir = TempDir::new()?;
        let (reserved, addr) = host::reserve_port()?;
        let config =
            format!("[[server]]\nlisten = \"{addr}\"\n[synchronization]\nlocal-stratum = 1\n");
        fs::write(dir.path().join("ntp.toml"), config)?;
        let log = File::create(dir.path().join("log"))?;
        // `timeout` ends it where nobody is left to do so.
        let mut command = host::out_of_reach_of_the_clock(&needed("timeout")?)?;
        command.arg(LIFETIME_S).arg(program).arg("-c").arg(dir.path().join("ntp.toml"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let daemon = NtpdRs { addr, child, dir, _reserved: reserved };
        let deadline = Instant::now() + COMES_UP_WITHIN;
        while !ntp_probe::ask(addr, ONE_QUESTION).is_ok_and(|answer| answer.header.synchronized()) {
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!(
                    "ntpd-rs gave no answer; its log:\n{}",
                    daemon.log()
                )));
            }
            thread::sleep(ONE_QUESTION / 10);
        }
        let statuses = daemon.statuses()?;
        if statuses.len() < 2 || statuses.iter().any(|status| may_set_the_clock(status)) {
            return Err(io::Error::other(format!(
                "ntpd-rs could set the clock, and is ended: {statuses:?}"
            )));
        }
        Ok(daemon)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log"))
            .unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// `/proc/<pid>/status` of what was started and of its children, the daemon among them.
    fn statuses(&self) -> io::Result<Vec<String>> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let pids =
            std::iter::once(pid.to_string()).chain(children.split_whitespace().map(str::to_owned));
        pids.map(|pid| fs::read_to_string(format!("/proc/{pid}/status"))).collect()
    }
}

impl Drop for NtpdRs {
    fn drop(&mut self) {
        // `timeout` passes this one on to the daemon; a kill would leave the daemon alone.
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Looks at a process that is started in the same way and does nothing but show its own
/// capabilities.
fn nothing_started_so_may_set_the_clock() -> io::Result<()> {
    let shown =
        host::out_of_reach_of_the_clock(&needed("cat")?)?.arg("/proc/self/status").output()?;
    let status = String::from_utf8_lossy(&shown.stdout);
    if !status.contains("CapEff:") || may_set_the_clock(&status) {
        return Err(io::Error::other(format!(
            "the clock is not out of reach, nothing was started: {status}"
        )));
    }
    Ok(())
}

fn needed(program: &str) -> io::Result<PathBuf> {
    host::program(program)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no `{program}` in PATH")))
}

/// When a daemon is ended. Shorter than a test: it fails; longer: daemons of killed tests stay
/// around.
const LIFETIME_S: &str = "600";

/// Usual is a tenth of a second; the rest is for machines under load.
const COMES_UP_WITHIN: Duration = Duration::from_secs(20);

/// An answer on loopback takes below 1 ms; a question lost at start-up costs this much.
const ONE_QUESTION: Duration = Duration::from_millis(100);
