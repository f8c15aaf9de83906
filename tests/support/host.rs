//! What starting a daemon takes from the host: its programs, a free port, a directory, and no way
//! to the clock.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering};

/// `program`, wrapped so that neither it nor its children can gain the capability to set the clock.
pub(super) fn out_of_reach_of_the_clock(program: &Path) -> io::Result<Command> {
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

/// Judges a `/proc/<pid>/status` by its capability sets. Elsewhere than on Linux there is none, and
/// `-x` has to do.
pub(crate) fn may_set_the_clock(status: &str) -> bool {
    // CAP_SYS_TIME. The bounding set counts for root only, who gains all of it by starting a
    // program.
    let holds = |set: &str| {
        field(status, set).is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok_and(holds_sys_time))
    };
    let root = field(status, "Uid:").is_some_and(|id| id == "0");
    holds("CapPrm:") || holds("CapEff:") || (root && holds("CapBnd:"))
}

fn holds_sys_time(capabilities: u64) -> bool {
    capabilities & (1 << 25) != 0
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
}

/// A UDP port of 127.0.0.1 that is free now, with what keeps other tests away from it.
///
/// chronyd binds its port with `SO_REUSEADDR`: two daemons on one port both start, and one of them
/// never hears a thing. So the port is claimed by listening on the TCP port of the same number,
/// which only one process can do, and which ends with the process.
pub(super) fn reserve_port() -> io::Result<(TcpListener, SocketAddr)> {
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

/// Looks in `PATH`, `/usr/sbin` and `/usr/local/sbin`.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(OsStr::new(name)))
        .find(|file| file.is_file())
}

/// A directory that nobody else uses, removed when dropped.
#[derive(Debug)]
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub(super) fn new() -> io::Result<Self> {
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

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
