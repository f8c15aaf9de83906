//! A node: a process with a clock of its own, a part of the keys, and a thread for each connection.
//! Requests and replies are lines of JSON over TCP.

use crate::partition::{Error, Partition};
use crate::storage::{Id, Key, Storage, Version};
use crate::transaction::{Network, audit, transfer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use sureclock::{SureClock, Timestamp};

/// What a node is told on its command line.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Whether to wait before a commit is exposed.
    pub(crate) wait: bool,
    /// The NTP servers.
    pub(crate) servers: Vec<String>,
}

/// Runs a node: prints its address, reads those of all nodes from the standard input, and ends when
/// that does.
pub(crate) fn run(settings: &Settings, storage: impl Storage + 'static) -> Result<(), Error> {
    let mut builder = SureClock::builder();
    for server in &settings.servers {
        builder = builder.ntp(server);
    }
    let clock = builder.start()?;
    clock.wait_synchronized(Duration::from_secs(20))?;
    let partition = Arc::new(Partition::new(clock.clone(), storage)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{} {}", listener.local_addr()?, clock.now()?.uncertainty().as_micros());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let nodes: Vec<SocketAddr> =
        line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let wait = settings.wait;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (partition, clock, nodes) = (Arc::clone(&partition), clock.clone(), nodes.clone());
            std::thread::spawn(move || serve(stream, &partition, &clock, &nodes, wait));
        }
    });
    // Whoever started the node is gone when this ends.
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

/// What a node is asked: by clients the first two, by other nodes the rest.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Transfer { id: Id, from: Key, to: Key, amount: i64 },
    Audit,
    Lock { id: Id, key: Key },
    Prepare { id: Id },
    Write { version: Version },
    Finish { id: Id },
    Abort { id: Id },
    Read { t: i64 },
}

fn serve<S: Storage>(
    stream: TcpStream,
    partition: &Partition<S>,
    clock: &SureClock,
    nodes: &[SocketAddr],
    wait: bool,
) {
    let network =
        Sockets { nodes: nodes.to_vec(), open: nodes.iter().map(|_| RefCell::new(None)).collect() };
    let answer = |request| -> Result<serde_json::Value, Error> {
        Ok(match request {
            Request::Transfer { id, from, to, amount } => {
                let reply =
                    async_io::block_on(transfer(clock, &network, id, (from, to, amount), wait))?;
                serde_json::to_value(reply)?
            }
            Request::Audit => serde_json::to_value(async_io::block_on(audit(clock, &network))?)?,
            Request::Lock { id, key } => {
                serde_json::to_value(partition.when(|| partition.try_lock(id, key))?)?
            }
            Request::Prepare { id } => {
                serde_json::to_value(partition.prepare(id)?.as_unix_nanos())?
            }
            Request::Write { version } => {
                partition.write(&[version])?;
                serde_json::Value::Null
            }
            Request::Finish { id } => {
                partition.finish(id);
                serde_json::Value::Null
            }
            Request::Abort { id } => {
                partition.abort(id)?;
                serde_json::Value::Null
            }
            Request::Read { t } => {
                let t = Timestamp::from_unix_nanos(t);
                partition.forbid(t)?;
                serde_json::to_value(partition.when(|| partition.try_read(t))?)?
            }
        })
    };
    let Ok(mut connection) = Connection::new(stream) else { return };
    while let Ok(request) = connection.receive::<Request>() {
        let answer = answer(request).map_err(|error| error.to_string());
        if connection.send(&answer).is_err() {
            return;
        }
    }
}

/// A connection on which lines of JSON go to and fro.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn to(node: SocketAddr) -> Result<Connection, Error> {
        Connection::new(TcpStream::connect(node)?)
    }

    fn new(stream: TcpStream) -> Result<Connection, Error> {
        stream.set_nodelay(true)?;
        Ok(Connection { reader: BufReader::new(stream) })
    }

    /// The answer, or what the node says against it; an error if the connection is broken.
    pub(crate) fn ask<T: DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> Result<Result<T, String>, Error> {
        self.send(request)?;
        self.receive()
    }

    fn send(&mut self, message: &impl Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        Ok(self.reader.get_mut().write_all(&line)?)
    }

    fn receive<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// The other nodes, and this one, by sockets opened when they are needed.
struct Sockets {
    nodes: Vec<SocketAddr>,
    open: Vec<RefCell<Option<Connection>>>,
}

impl Sockets {
    fn ask<T: DeserializeOwned>(&self, node: usize, request: &Request) -> Result<T, Error> {
        let mut open = self.open[node].borrow_mut();
        if open.is_none() {
            *open = Some(Connection::to(self.nodes[node])?);
        }
        let answer = open.as_mut().ok_or("no connection")?.ask(request);
        // On a broken connection the next question would get this one's answer.
        answer.inspect_err(|_| *open = None)?.map_err(Error::from)
    }

    fn owner(&self, key: Key) -> usize {
        usize::try_from(key).unwrap_or(0) % self.nodes.len()
    }
}

impl Network for Sockets {
    async fn lock(&self, id: Id, key: Key) -> Result<Version, Error> {
        self.ask(self.owner(key), &Request::Lock { id, key })
    }

    async fn prepare(&self, id: Id, key: Key) -> Result<Timestamp, Error> {
        self.ask(self.owner(key), &Request::Prepare { id }).map(Timestamp::from_unix_nanos)
    }

    async fn write(&self, version: Version) -> Result<(), Error> {
        self.ask(self.owner(version.key), &Request::Write { version })
    }

    async fn finish(&self, id: Id, key: Key) -> Result<(), Error> {
        self.ask(self.owner(key), &Request::Finish { id })
    }

    async fn abort(&self, id: Id, key: Key) -> Result<(), Error> {
        self.ask(self.owner(key), &Request::Abort { id })
    }

    fn nodes(&self) -> usize {
        self.nodes.len()
    }

    async fn read(&self, node: usize, t: Timestamp) -> Result<Vec<Version>, Error> {
        self.ask(node, &Request::Read { t: t.as_unix_nanos() })
    }
}
