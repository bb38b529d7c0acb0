//! The data directory: where things lie in it, who holds it, how the server that runs on it is found.

use std::{
    fs::{self, File, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A data directory; may not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

/// What a server says about itself to commands on the same directory. The file stays when the server
/// ends; it counts only while its process holds the directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Process.
    pub(crate) pid: u32,
    /// Base URL of the main address.
    pub(crate) url: String,
    /// All main addresses.
    pub(crate) listen: Vec<String>,
    /// OTLP/HTTP addresses.
    pub(crate) otlp_http: Vec<String>,
    /// OTLP/gRPC addresses.
    pub(crate) otlp_grpc: Vec<String>,
    /// Where the process itself is asked for what only it can do.
    pub(crate) control: Option<std::net::SocketAddr>,
    /// Where the rules came from; commands that work without the server use the same.
    pub(crate) rules_dir: Option<PathBuf>,
    /// Version of the program.
    pub(crate) version: String,
}

impl DataDir {
    /// The directory at this path.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether there is an installation in it.
    pub(crate) fn is_installed(&self) -> bool {
        self.0.join("keys/signing.key").is_file()
    }

    /// Makes it, readable by its owner only.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        if self.0.is_dir() {
            return Ok(());
        }
        let failed = || format!("cannot create the data directory {}", self.0.display());
        fs::create_dir_all(&self.0).with_context(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700)).with_context(failed)?;
        }
        Ok(())
    }

    /// Takes the search index away: it holds words that are to be encrypted from now on.
    pub(crate) fn drop_index(&self) -> anyhow::Result<()> {
        let path = self.0.join("search");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Who holds it, as the store writes it (`process 123`); none when it is free.
    pub(crate) fn holder(&self) -> anyhow::Result<Option<String>> {
        let path = self.0.join("lock");
        let Ok(file) = File::open(&path) else { return Ok(None) };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let text = text.trim();
                Ok(Some(if text.is_empty() { "another process" } else { text }.to_owned()))
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot look at {}", path.display()))
            }
        }
    }

    /// What the last server said about itself, whether it still runs or not.
    pub(crate) fn last_server(&self) -> Option<Running> {
        serde_json::from_slice(&fs::read(self.server_file()).ok()?).ok()
    }

    /// The server that holds the directory. Only the process that holds the lock is believed: the
    /// address of one that has ended may belong to anybody by now.
    pub(crate) fn running(&self) -> anyhow::Result<Option<Running>> {
        let Some(holder) = self.holder()? else { return Ok(None) };
        Ok(self.last_server().filter(|server| holder == format!("process {}", server.pid)))
    }

    /// Tells commands where the server is.
    pub(crate) fn announce(&self, running: &Running) -> anyhow::Result<()> {
        write_private(&self.server_file(), &serde_json::to_vec_pretty(running)?)
    }

    /// The token by which commands act through the server.
    pub(crate) fn local_token(&self) -> anyhow::Result<String> {
        let path = self.0.join("keys/local-admin.token");
        let text = fs::read_to_string(&path).with_context(|| {
            format!("cannot read {}; run this as the user the server runs as", path.display())
        })?;
        Ok(text.trim().to_owned())
    }

    fn server_file(&self) -> PathBuf {
        self.0.join("server.json")
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&fresh).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    fs::rename(&fresh, path).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(pid: u32) -> Running {
        Running {
            pid,
            url: "http://127.0.0.1:1".into(),
            listen: vec![],
            otlp_http: vec![],
            otlp_grpc: vec![],
            control: None,
            rules_dir: None,
            version: "0".into(),
        }
    }

    #[test]
    fn a_server_counts_only_while_it_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        data.announce(&running(7)).unwrap();
        assert!(data.running().unwrap().is_none());

        let file = File::create(dir.path().join("lock")).unwrap();
        file.lock().unwrap();
        fs::write(dir.path().join("lock"), "process 7\n").unwrap();
        assert_eq!(data.running().unwrap().map(|r| r.pid), Some(7));

        fs::write(dir.path().join("lock"), "process 8\n").unwrap();
        assert!(data.running().unwrap().is_none(), "another process holds it");
        drop(file);
        assert_eq!(data.holder().unwrap(), None);
    }
}
