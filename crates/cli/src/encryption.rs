//! Encrypted payloads, as configured: the master key is asked for, and the installation's keys are opened
//! with it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

use anyhow::Context as _;
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_recorder::{Keys, MasterKey, OsEntropy, PAYLOAD_KEYS, Sealing};
use exhibit_store::{Store, StoreError, TraceKey, Unsealer};
use exhibit_store_sqlite::SlotFile;

use crate::{
    config::{Loaded, StoreKind},
    failure::Failure,
};

/// Most bytes that a command may say: a key has 64.
const SAID_MAX: usize = 4_096;

/// Where a master key comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The key itself.
    Text(String),
    /// A file.
    File(PathBuf),
    /// The first line that a command writes.
    Command(String),
}

impl Source {
    /// The configured one; none: payloads are not encrypted.
    pub(crate) fn of(loaded: &Loaded) -> Result<Option<Self>, Failure> {
        let config = &loaded.config.encryption;
        let mut found: Vec<Self> = Vec::new();
        found.extend(config.key.clone().map(Self::Text));
        found.extend(config.key_file.as_ref().map(|f| Self::File(loaded.environment.cwd.join(f))));
        found.extend(config.key_command.clone().map(Self::Command));
        if found.len() > 1 {
            return Err(Failure::usage(
                "encryption: one of key, key_file and key_command is enough; which one is meant?",
            ));
        }
        if !found.is_empty() && loaded.config.store == StoreKind::Cluster {
            return Err(Failure::usage("encryption: the cluster store does not encrypt payloads")
                .hint("encrypt the volumes and backups of PostgreSQL and ClickHouse"));
        }
        Ok(found.pop())
    }

    /// The key.
    ///
    /// # Errors
    /// It cannot be had, or is none. The message never holds what was said.
    pub(crate) fn key(&self) -> anyhow::Result<MasterKey> {
        let (name, text) = match self {
            Self::Text(text) => ("encryption.key".to_owned(), text.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::usage(format!("the master key: {}: {error}", path.display())).hint(
                        "give the file that was in force; without it payloads cannot be read by anybody",
                    )
                })?;
                (path.display().to_string(), text)
            }
            Self::Command(command) => ("encryption.key_command".to_owned(), said(command)?),
        };
        MasterKey::parse(&text)
            .map_err(|error| Failure::usage(format!("the master key in {name}: {error}")).into())
    }
}

/// What a command says.
fn said(command: &str) -> anyhow::Result<String> {
    let failed = |why: String| Failure::usage(format!("encryption.key_command: {why}"));
    let shell = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let output = Command::new(shell.0)
        .args([shell.1, command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("it ended with {}", output.status)).into());
    }
    let text = String::from_utf8(output.stdout).map_err(|_| failed("it said no text".into()))?;
    if text.len() > SAID_MAX {
        return Err(failed("it said more than a key".into()).into());
    }
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Whether payloads of new traces are encrypted.
pub(crate) fn is_on(loaded: &Loaded) -> bool {
    let config = &loaded.config.encryption;
    config.key.is_some() || config.key_file.is_some() || config.key_command.is_some()
}

/// Whether full-text search is kept: it holds the words of payloads.
pub(crate) fn searches(loaded: &Loaded) -> bool {
    loaded.config.search && (!is_on(loaded) || loaded.config.encryption.plain_index)
}

/// The file with the keys of payloads.
pub(crate) fn slots_path(data_dir: &Path) -> PathBuf {
    data_dir.join("keys/payloads.db")
}

/// Opens the installation's keys, those of payloads with them. To write, only while the data directory
/// is held.
pub(crate) fn open_keys(loaded: &Loaded, to_write: bool) -> anyhow::Result<Keys> {
    let data_dir = &loaded.config.data_dir;
    let keys = Keys::open(data_dir, &OsEntropy)?;
    let path = slots_path(data_dir);
    let Some(source) = Source::of(loaded)? else {
        return if SlotFile::has_begun(&path)? { Err(no_master().into()) } else { Ok(keys) };
    };
    if !to_write && !SlotFile::has_begun(&path)? {
        // Nothing is encrypted yet; a store that says otherwise is refused by the recorder.
        return Ok(keys);
    }
    let master = source.key()?;
    let failed = || format!("cannot use {}", path.display());
    let slots = if to_write { SlotFile::open(&path) } else { SlotFile::open_read_only(&path) };
    let slots = Arc::new(slots.with_context(failed)?);
    let sealing = Sealing::open(slots, &master, &OsEntropy).with_context(failed)?;
    Ok(keys.seal_payloads(Arc::new(sealing)))
}

/// Refuses a store whose payloads are encrypted by keys that are not there; others are not made in their place.
pub(crate) async fn check_slots(loaded: &Loaded, store: &dyn Store) -> anyhow::Result<()> {
    let path = slots_path(&loaded.config.data_dir);
    if path.exists() || store.setting(PAYLOAD_KEYS).await?.is_none() {
        return Ok(());
    }
    Err(Failure::new(format!("{} is gone, by which payloads here are encrypted", path.display()))
        .hint("restore it from your backup of the keys; without it they cannot be read by anybody")
        .into())
}

fn no_master() -> Failure {
    Failure::usage("payloads in this data directory are encrypted, and no master key is given")
        .hint(
            "set encryption.key_file, EXHIBIT_ENCRYPTION_KEY or encryption.key_command to the key that \
             was in force",
        )
        .hint("without it payloads cannot be read by anybody; docs/guide/encryption.md says what is left")
}

/// An unsealer that is named before the keys are there: the store takes its lock before they are made.
#[derive(Debug, Default)]
pub(crate) struct Later(OnceLock<Arc<dyn Unsealer>>);

impl Later {
    /// Names it.
    pub(crate) fn set(&self, unsealer: Arc<dyn Unsealer>) {
        // A second one would be the same.
        let _ = self.0.set(unsealer);
    }
}

impl Unsealer for Later {
    fn unseal(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        key: &TraceKey,
        block: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        match self.0.get() {
            Some(unsealer) => unsealer.unseal(workspace, trace, key, block),
            None => Err(StoreError::Busy { retry_after_ms: 100 }),
        }
    }
}
