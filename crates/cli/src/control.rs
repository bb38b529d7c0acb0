//! What only the process that holds the database can do, asked for from outside: an online backup.
//!
//! A line of JSON over a loopback connection, with the data directory's own token; the port stands in
//! `server.json`. It is not part of the HTTP API, because only this room knows the concrete store.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use exhibit_recorder::Recorder;
use exhibit_store_sqlite::SqliteStore;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::failure::Failure;

/// Longest request or answer, bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// How long a client has to send its request.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    token: String,
    backup: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    error: Option<String>,
}

/// The listening end, in the process of the server.
pub(crate) struct Control(TcpListener);

impl Control {
    /// Takes a free loopback port.
    pub(crate) async fn bind() -> anyhow::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok((Self(listener), address))
    }

    /// Serves until the task is dropped; one request at a time.
    pub(crate) async fn serve(self, recorder: Arc<Recorder>, store: Option<Arc<SqliteStore>>) {
        loop {
            let Ok((stream, _)) = self.0.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if let Err(error) = answer(stream, &recorder, store.as_ref()).await {
                tracing::debug!(error = %format!("{error:#}"), "a control request failed");
            }
        }
    }
}

async fn answer(
    mut stream: TcpStream,
    recorder: &Recorder,
    store: Option<&Arc<SqliteStore>>,
) -> anyhow::Result<()> {
    let line = tokio::time::timeout(PATIENCE, read_line(&mut stream)).await??;
    let request: Request = serde_json::from_str(&line)?;
    anyhow::ensure!(recorder.local_token_matches(&request.token), "a wrong token");
    tracing::info!(directory = %request.backup.display(), "backing up");
    let error = match store {
        Some(store) => {
            let done = store.backup(&request.backup, |_| ()).await;
            done.err().map(|error| error.to_string())
        }
        None => Some(crate::opened::NO_BACKUP.to_owned()),
    };
    let answer = Answer { error };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(())
}

async fn read_line(stream: &mut TcpStream) -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(stream).take(LINE_BYTES_MAX).read_line(&mut line).await?;
    Ok(line)
}

/// Asks the server behind `address` for a backup into `directory`.
pub(crate) async fn backup(
    address: SocketAddr,
    token: String,
    directory: PathBuf,
) -> anyhow::Result<()> {
    let failed = "the running server cannot be asked for a backup";
    let mut stream = TcpStream::connect(address).await.context(failed)?;
    let mut line = serde_json::to_vec(&Request { token, backup: directory })?;
    line.push(b'\n');
    stream.write_all(&line).await.context(failed)?;
    let answer = read_line(&mut stream).await.context(failed)?;
    let answer: Answer = serde_json::from_str(&answer).context(failed)?;
    match answer.error {
        None => Ok(()),
        Some(error) => Err(Failure::new(format!("the backup failed: {error}")).into()),
    }
}
