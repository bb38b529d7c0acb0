//! Checkpoints: signed heads of the logs, and the guard that keeps them from going backwards.
//!
//! The order is commit, guard, publish. The guard is the last signed checkpoint of the installation's
//! log in a small file beside the keys; a database that was rolled back alone no longer reaches it,
//! and the recorder refuses to start. A rollback of both is for witnesses and kept checkpoints to find.

use std::{fs, time::Duration};

use exhibit_ledger::{Checkpoint, Hash, Leaf, LeafKind, NoteSigner, SignedCheckpoint};
use exhibit_model::{RecordId, WorkspaceId};
use exhibit_store::{LogHead, LogId, StoredCheckpoint};

use crate::{Error, Recorder, accept::finish, keys::write_private};

impl Recorder {
    /// Origin of a log: the installation's own, or that followed by the workspace's number.
    pub fn log_origin(&self, log: LogId) -> String {
        match log {
            LogId::Installation => self.keys.origin().to_owned(),
            LogId::Workspace(WorkspaceId(n)) => format!("{}/{n}", self.keys.origin()),
        }
    }

    /// The verifier key of a log, as signed-note writes it. Pin it where the operator cannot reach.
    pub fn verifier_key(&self, log: LogId) -> Result<String, Error> {
        Ok(self.log_signer(log)?.verifier().to_string())
    }

    pub(crate) fn log_signer(&self, log: LogId) -> Result<NoteSigner, Error> {
        let origin = self.log_origin(log);
        let failed = || Error::Internal(format!("no signer for the log {origin}"));
        self.keys.signer(&origin).ok_or_else(failed)
    }

    /// The latest signed checkpoint of a log.
    pub async fn checkpoint(&self, log: LogId) -> Result<Option<String>, Error> {
        Ok(self.store.checkpoint(log).await?.map(|c| c.note))
    }

    pub(crate) async fn run_checkpoints(&self) {
        let interval = Duration::from_millis(self.limits.checkpoint_interval_ms);
        if let Err(error) = self.sign_published().await {
            tracing::error!(%error, "a checkpoint is missing that should have been signed before");
        }
        loop {
            if let Err(error) = self.publish_checkpoints().await {
                tracing::error!(%error, "a checkpoint could not be signed; it will be tried again");
                tokio::time::sleep(interval).await;
                continue;
            }
            self.grown.notified().await;
            tokio::time::sleep(interval).await;
        }
    }

    /// Enters the heads of all logs that have grown into the installation's log, and signs
    /// checkpoints over them and it.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn publish_checkpoints(&self) -> Result<(), Error> {
        let heads = self.store.unpublished().await?;
        let latest = self.store.checkpoint(LogId::Installation).await?;
        if heads.is_empty() {
            let head = self.store.head(LogId::Installation).await?;
            if head.size == latest.map_or(0, |c| c.size) {
                return Ok(());
            }
        }
        self.publish_heads(&heads, Vec::new()).await.map(|_| ())
    }

    /// Signs the heads that were published without their checkpoint: who was stopped between the two left
    /// them behind, and nobody would sign them before their logs grow again.
    pub(crate) async fn sign_published(&self) -> Result<(), Error> {
        let grown = self.store.unpublished().await?;
        for workspace in self.store.workspaces().await? {
            let head = self.store.head(LogId::Workspace(workspace.id)).await?;
            if grown.iter().any(|one| one.log == head.log) {
                continue;
            }
            let signed = self.store.checkpoint(head.log).await?.map_or(0, |c| c.size);
            if signed < head.size {
                self.store.put_checkpoint(self.sign(&head)?).await?;
            }
        }
        Ok(())
    }

    /// Enters leaves, then the given heads, into the installation's log, and signs checkpoints over them
    /// and it. Gives the installation's head.
    pub(crate) async fn publish_heads(
        &self,
        heads: &[LogHead],
        mut leaves: Vec<exhibit_store::Leaf>,
    ) -> Result<LogHead, Error> {
        for head in heads {
            leaves.push(self.head_leaf(head)?);
        }
        let head = if leaves.is_empty() {
            self.store.head(LogId::Installation).await?
        } else {
            self.store.publish(heads, leaves).await?
        };
        let installation = self.sign(&head)?;
        let note = installation.note.clone();
        let guard = self.keys.guard().to_owned();
        tokio::task::spawn_blocking(move || write_private(&guard, note.as_bytes()))
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
            .map_err(|error| Error::Internal(error.to_string()))?;
        self.store.put_checkpoint(installation).await?;
        for head in heads {
            self.store.put_checkpoint(self.sign(head)?).await?;
        }
        Ok(head)
    }

    fn head_leaf(&self, head: &LogHead) -> Result<exhibit_store::Leaf, Error> {
        let received = u64::try_from(self.now().0).unwrap_or(0);
        let id = RecordId::mint(&*self.entropy).0.into();
        let mut leaf = Leaf::new(LeafKind::Head, id, "server", received);
        leaf.facts.insert("log".into(), self.log_origin(head.log));
        leaf.facts.insert("size".into(), head.size.to_string());
        leaf.facts.insert("root".into(), Hash(head.root).to_hex());
        finish(&leaf)
    }

    fn sign(&self, head: &LogHead) -> Result<StoredCheckpoint, Error> {
        let checkpoint = Checkpoint::new(self.log_origin(head.log), head.size, Hash(head.root));
        let signed = SignedCheckpoint::sign(checkpoint, &self.log_signer(head.log)?)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(StoredCheckpoint {
            log: head.log,
            size: head.size,
            root: head.root,
            note: signed.to_string(),
            signed: self.now(),
        })
    }

    /// Refuses a store that no longer reaches the last signed checkpoint, or contradicts it.
    pub(crate) async fn check_guard(&self) -> Result<(), Error> {
        let path = self.keys.guard();
        let rolled_back = |what: &str| Error::Invalid {
            field: "data directory",
            message: format!(
                "the database {what} the last signed checkpoint in {}: it was restored or altered. \
                 If this restore is meant, `exhibit restore --new-epoch` says so in the log; otherwise \
                 restore the newer database",
                path.display()
            ),
        };
        let Ok(text) = fs::read(path) else { return Ok(()) };
        let guard =
            SignedCheckpoint::parse(&text).map_err(|_| rolled_back("cannot be compared with"))?;
        if !self.is_signed(LogId::Installation, &guard) {
            return Err(rolled_back("cannot be compared with"));
        }
        let checkpoint = guard.checkpoint();
        let head = self.store.head(LogId::Installation).await?;
        if head.size < checkpoint.size {
            return Err(rolled_back("ends before"));
        }
        let size = checkpoint.size;
        let root = self
            .with_hashes(LogId::Installation, move |hashes| {
                exhibit_ledger::proof::tree_root(hashes, size)
            })
            .await?
            .map_err(|_| rolled_back("lacks entries of"))?;
        if root != checkpoint.root {
            return Err(rolled_back("contradicts"));
        }
        Ok(())
    }
}
