//! Leases from etcd, over its JSON interface: the store's revision is the sequence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use sureclock::{Acquired, LeaseStore};

/// Leases from etcd. A key that lives as long as an etcd lease names the holder; its creation's
/// revision is the sequence.
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
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        EtcdLeases { url: url.into(), agent, held: HashMap::new() }
    }

    /// Whether it answers.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn is_reached(&mut self) -> Result<(), EtcdError> {
        self.post("kv/range", json!({ "key": BASE64.encode("x") })).map(drop)
    }

    fn post(&mut self, call: &str, body: Value) -> Result<Value, EtcdError> {
        Ok(self
            .agent
            .post(format!("{}/v3/{call}", self.url))
            .send_json(body)?
            .body_mut()
            .read_json()?)
    }
}

/// What an etcd of 3.4 promises in true time for a lease of so many seconds: it counts by
/// CLOCK_MONOTONIC, which a daemon may slew by a tenth.
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
        let (Some(lease), Some(seconds)) =
            (granted["ID"].as_str().map(str::to_owned), number(&granted["TTL"]))
        else {
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
