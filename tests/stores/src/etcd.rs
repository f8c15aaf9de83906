//! An etcd server of a test's own, and leases from it: the store's revision is the sequence.
//!
//! It is in the Debian package `etcd-server`.

use crate::{COMES_UP_WITHIN, Directory, skipped};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use sureclock::{Acquired, LeaseStore};

/// A running server. Dropping it ends the server and removes its directory.
#[derive(Debug)]
pub struct Etcd {
    child: Child,
    _directory: Directory,
    url: String,
}

impl Etcd {
    /// Starts a server; returns when it answers. `None`, after saying so, if there is none to start.
    ///
    /// # Errors
    ///
    /// With the server's log, if it does not come up.
    pub fn start() -> io::Result<Option<Etcd>> {
        let (clients, peers) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
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
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        command.arg("--data-dir").arg(directory.0.join("data")).args(["--name", "test", "--unsafe-no-fsync"]);
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url, "--listen-peer-urls", &peer]);
        command.args(["--initial-advertise-peer-urls", &peer, "--initial-cluster", &format!("test={peer}")]);
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
        while store.post("kv/range", json!({ "key": BASE64.encode("x") })).is_err() {
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

/// Leases from etcd. A key that lives as long as an etcd lease names the holder; its creation's revision is the sequence.
#[derive(Debug)]
pub struct EtcdLeases {
    url: String,
    agent: ureq::Agent,
    /// The etcd leases of what was acquired, and their terms in seconds.
    held: HashMap<String, (String, u64)>,
}

/// Why etcd gave no answer that counts.
#[derive(Debug)]
pub enum EtcdError {
    Http(ureq::Error),
    /// An answer without what was asked for.
    Answer(Value),
}

impl From<ureq::Error> for EtcdError {
    fn from(error: ureq::Error) -> EtcdError {
        EtcdError::Http(error)
    }
}

impl std::fmt::Display for EtcdError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EtcdError::Http(error) => write!(f, "etcd: {error}"),
            EtcdError::Answer(answer) => write!(f, "etcd answers {answer}"),
        }
    }
}

impl std::error::Error for EtcdError {}

impl EtcdLeases {
    #[must_use]
    pub fn new(url: &str) -> EtcdLeases {
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).build().into();
        EtcdLeases { url: url.into(), agent, held: HashMap::new() }
    }

    fn post(&mut self, call: &str, body: Value) -> Result<Value, EtcdError> {
        Ok(self.agent.post(format!("{}/v3/{call}", self.url)).send_json(body)?.body_mut().read_json()?)
    }
}

/// What an etcd of 3.4 promises in true time for a lease of so many seconds: it counts by CLOCK_MONOTONIC, which a daemon may slew by a tenth.
fn promised(seconds: u64) -> Duration {
    Duration::from_millis(seconds * 900)
}

/// etcd writes numbers of 64 bits as text.
fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

impl LeaseStore for EtcdLeases {
    type Error = EtcdError;

    fn acquire(&mut self, name: &str, term: Duration) -> Result<Option<Acquired>, EtcdError> {
        let granted = self.post("lease/grant", json!({ "TTL": term.as_secs().to_string() }))?;
        let (Some(lease), Some(seconds)) = (granted["ID"].as_str().map(str::to_owned), number(&granted["TTL"])) else {
            return Err(EtcdError::Answer(granted));
        };
        let key = BASE64.encode(name);
        let answer = self.post(
            "kv/txn",
            json!({
                "compare": [{ "key": key, "target": "CREATE", "create_revision": "0" }],
                "success": [{ "requestPut": { "key": key, "value": "", "lease": lease } }],
            }),
        )?;
        if answer["succeeded"] != true {
            self.post("lease/revoke", json!({ "ID": lease }))?;
            return Ok(None);
        }
        let sequence = number(&answer["header"]["revision"]).ok_or(EtcdError::Answer(answer))?;
        self.held.insert(name.into(), (lease, seconds));
        Ok(Some(Acquired { sequence, term: promised(seconds) }))
    }

    fn renew(&mut self, name: &str) -> Result<Option<Duration>, EtcdError> {
        let Some((lease, _)) = self.held.get(name).cloned() else { return Ok(None) };
        let answer = self.post("lease/keepalive", json!({ "ID": lease }))?;
        // No TTL: it is over.
        Ok(number(&answer["result"]["TTL"]).filter(|seconds| *seconds > 0).map(promised))
    }
}
