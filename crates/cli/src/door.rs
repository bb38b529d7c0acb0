//! The one door to the recorder for commands: always the HTTP API.
//!
//! Where a server is named in the configuration, it is asked with the key. Else, where one runs on
//! the data directory, it is asked with the directory's own token. Else a server of our own is opened
//! on the directory, on a free loopback port, for as long as the command takes.

use std::time::{Duration, Instant};

use exhibit_server::{Config as ServerConfig, Listener, Server};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::Loaded,
    data_dir::DataDir,
    failure::Failure,
    installation::{Installation, in_use, not_installed},
    remote::{Remote, Right},
};

/// What a command needs to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Read; never makes an installation.
    Read,
    /// Write; makes an installation where there is none.
    Write,
    /// Administer the data directory itself, never a server elsewhere.
    Administer,
}

/// How long another command on the same directory is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open door. [`close`](Self::close) it.
pub(crate) struct Door {
    /// What answers.
    pub(crate) remote: Remote,
    own: Option<Own>,
}

/// A server of our own.
struct Own {
    installation: Installation,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Door {
    /// Opens the door.
    pub(crate) async fn open(loaded: &Loaded, need: Need) -> anyhow::Result<Self> {
        let config = &loaded.config;
        if need != Need::Administer
            && let Some(url) = &config.url
        {
            let key = config.api_key.clone().ok_or_else(|| {
                Failure::usage(format!("the server at {url} wants a key: set EXHIBIT_API_KEY"))
            })?;
            return Ok(Self { remote: Remote::new(url, Right::Key(key))?, own: None });
        }
        let data = DataDir::new(&config.data_dir);
        if need == Need::Read && !data.is_installed() {
            return Err(not_installed(&data).into());
        }
        let started = Instant::now();
        loop {
            let Some(holder) = data.holder()? else { break };
            if let Some(server) = data.running()? {
                let right = Right::Local { token: data.local_token()? };
                return Ok(Self { remote: Remote::new(&server.url, right)?, own: None });
            }
            // Another command, or a server that is just starting: both are soon done.
            if started.elapsed() > PATIENCE {
                return Err(in_use(&data, &holder).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let installation = match need {
            Need::Read => Installation::open_to_read(loaded).await?,
            Need::Write | Need::Administer => Installation::open(loaded).await?,
        };
        Self::own(installation).await
    }

    async fn own(installation: Installation) -> anyhow::Result<Self> {
        let config = ServerConfig {
            main: vec![Listener::required("127.0.0.1:0")],
            otlp_http: Vec::new(),
            otlp_grpc: Vec::new(),
            registration_open: false,
            drain: Duration::from_millis(500),
            ..ServerConfig::default()
        };
        let server = Server::bind(config, installation.recorder.clone()).await?;
        let address = server.addresses().main.first().copied();
        let address = address.ok_or_else(|| Failure::new("no loopback address could be opened"))?;
        let right = Right::Local { token: installation.keys.local_token().to_owned() };
        let remote = Remote::new(&format!("http://{address}"), right)?;
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(server.serve(stopped));
        Ok(Self { remote, own: Some(Own { installation, stop, serving }) })
    }

    /// Closes it. What was written gets its checkpoint.
    pub(crate) async fn close(self, need: Need) -> anyhow::Result<()> {
        let Some(Own { installation, stop, serving }) = self.own else { return Ok(()) };
        let _ = stop.send(true);
        let _ = serving.await;
        if need == Need::Read { Ok(()) } else { installation.close().await }
    }
}
