//! Starts the servers of a test's own, PostgreSQL here and etcd in [`etcd`]: in a directory of its
//! own, on loopback, and ended with the test.
//!
//! It is in the Debian package `postgresql`. The server refuses to run as root; then it runs as the
//! user `postgres` of that package, without the right to set the clock. A test that is killed
//! leaves it behind.

pub mod etcd;

/// Installs the fence in a database, by a superuser and for a role of its own, as the head of the
/// SQL says.
pub const INSTALL: &str = concat!(
    "CREATE ROLE sureclock NOLOGIN;
     GRANT CREATE ON DATABASE postgres TO sureclock;
     SET ROLE sureclock;\n",
    include_str!("../../../src/fence/postgres.sql"),
    "\nRESET ROLE;
     REVOKE CREATE ON DATABASE postgres FROM sureclock;"
);

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running server. Dropping it ends the server and removes its directory.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    child: Child,
    /// Removed when the server has ended.
    _directory: Directory,
    port: u16,
}

#[derive(Debug)]
pub(crate) struct Directory(pub(crate) PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The folder of the server's programs, or None after saying on stderr that the test is skipped.
///
/// # Panics
///
/// If there is none and the environment says `CI=true`: a skipped test must not count as passed
/// there.
#[must_use]
pub fn require_postgres() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = installed
        .map(|version| version.path().join("bin"))
        .find(|bin| bin.join("initdb").is_file());
    if found.is_none() {
        skipped("postgresql");
    }
    found
}

/// Says that a test is skipped for want of a Debian package; where nothing may be skipped it
/// panics.
pub(crate) fn skipped(package: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{test} cannot run without the package {package}"
    );
    eprintln!("SKIPPED no-{package}: {test}: it is in the Debian package `{package}`");
}

impl Postgres {
    /// Creates a database cluster and starts its server; returns when it takes connections.
    ///
    /// # Errors
    ///
    /// With the server's log, if it does not come up.
    pub fn start(bin: &Path) -> io::Result<Postgres> {
        let claim = TcpListener::bind("127.0.0.1:0")?;
        let port = claim.local_addr()?.port();
        let directory =
            std::env::temp_dir().join(format!("sureclock-postgres-{}-{port}", std::process::id()));
        fs::create_dir(&directory)?;
        let cleared = Directory(directory.clone());
        if let Some((uid, gid)) = other_user()? {
            chown(&directory, Some(uid), Some(gid))?;
        }
        let data = directory.join("data");
        let made = command(&bin.join("initdb"), &directory)?
            .arg("--pgdata")
            .arg(&data)
            .args([
                "--username=test",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            return Err(io::Error::other(format!("initdb: {made}")));
        }
        let log = directory.join("log");
        let output = fs::File::create(&log)?;
        drop(claim);
        let mut server = command(&bin.join("postgres"), &directory)?;
        server.arg("-D").arg(&data).args([
            "-c",
            &format!("port={port}"),
            "-c",
            "listen_addresses=127.0.0.1",
        ]);
        server.args(["-c", "unix_socket_directories=", "-c", "max_connections=300"]);
        let child = server.stdout(output.try_clone()?).stderr(output).spawn()?;
        let mut server = Postgres { bin: bin.to_owned(), child, _directory: cleared, port };
        let until = Instant::now() + COMES_UP_WITHIN;
        let ready = || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("ready to accept connections"))
        };
        while !ready() {
            if Instant::now() > until || server.child.try_wait()?.is_some() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!("postgres did not come up:\n{log}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// What a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("test", "postgres")
    }

    /// What a role connects to a database with. `test` is the superuser.
    #[must_use]
    pub fn url_of(&self, role: &str, database: &str) -> String {
        format!("host=127.0.0.1 port={} user={role} dbname={database}", self.port)
    }

    /// A command of the server's package, `psql` say, that connects to a database as the superuser.
    ///
    /// # Panics
    ///
    /// If there is no user that the server may run as; then it would not run.
    #[must_use]
    pub fn tool(&self, program: &str, database: &str) -> Command {
        let mut tool = command(&self.bin.join(program), Path::new("/")).expect("a user for it");
        tool.args([
            "--host=127.0.0.1",
            &format!("--port={}", self.port),
            "--username=test",
            "--no-password",
        ]);
        tool.arg(format!("--dbname={database}"));
        tool
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate shutdown, with all of the server's processes.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _ = self.child.wait();
    }
}

/// Who runs the server, if root may not: its user and group.
fn other_user() -> io::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&"postgres"))
            .then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
    });
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            "no user `postgres`, and the server does not run as root",
        )
    };
    ids.flatten().map(Some).ok_or_else(missing)
}

/// A program that cannot set the clock, as a user it agrees to run as.
fn command(program: &Path, directory: &Path) -> io::Result<Command> {
    let mut command = Command::new("setpriv");
    if let Some((uid, gid)) = other_user()? {
        command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]);
        command.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"]);
    }
    command.arg(program).current_dir(directory).stdin(Stdio::null());
    Ok(command)
}

/// Usual are 0.3 s; the rest is for machines under load.
pub(crate) const COMES_UP_WITHIN: Duration = Duration::from_secs(30);
