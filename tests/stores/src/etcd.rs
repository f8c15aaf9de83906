//! An etcd server of a test's own. The leases from it are those of the example `quorum`.
//!
//! It is in the Debian package `etcd-server`.

use crate::{COMES_UP_WITHIN, Directory, skipped};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../../../examples/quorum/etcd.rs"]
mod leases;

pub use leases::{EtcdError, EtcdLeases};

/// A running server. Dropping it ends the server and removes its directory.
#[derive(Debug)]
pub struct Etcd {
    child: Child,
    _directory: Directory,
    url: String,
}

impl Etcd {
    /// Starts a server; returns when it answers. `None`, after saying so, if there is none to
    /// start.
    ///
    /// # Errors
    ///
    /// With the server's log, if it does not come up.
    pub fn start() -> io::Result<Option<Etcd>> {
        let (clients, peers) =
            (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let url = |listener: &TcpListener| {
            listener.local_addr().map(|address| format!("http://{address}"))
        };
        let (url, peer) = (url(&clients)?, url(&peers)?);
        let directory = std::env::temp_dir().join(format!(
            "sureclock-etcd-{}-{}",
            std::process::id(),
            clients.local_addr()?.port()
        ));
        fs::create_dir(&directory)?;
        let directory = Directory(directory);
        let log = directory.0.join("log");
        let output = fs::File::create(&log)?;
        drop((clients, peers));
        let mut command = Command::new("etcd");
        // Debian sets these for its service.
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        command.arg("--data-dir").arg(directory.0.join("data")).args([
            "--name",
            "test",
            "--unsafe-no-fsync",
        ]);
        command.args([
            "--listen-client-urls",
            &url,
            "--advertise-client-urls",
            &url,
            "--listen-peer-urls",
            &peer,
        ]);
        command.args([
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster",
            &format!("test={peer}"),
        ]);
        let child = match command.stdout(output.try_clone()?).stderr(output).spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                skipped("etcd-server");
                return Ok(None);
            }
            child => child?,
        };
        let mut server = Etcd { child, _directory: directory, url };
        let until = Instant::now() + COMES_UP_WITHIN;
        let mut store = EtcdLeases::new(server.url());
        // Nothing is held: an answer is all that is waited for.
        while store.is_reached().is_err() {
            if Instant::now() > until || server.child.try_wait()?.is_some() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!("etcd did not come up:\n{log}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(server))
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
