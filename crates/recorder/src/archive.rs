//! The cold archive: payloads of sealed traces that were last added to some days ago go to other storage.
//!
//! A trace's blocks become one object, sealed under the trace's own key whether or not payloads are
//! encrypted elsewhere: an archive may be one from which nothing can be deleted, and an erasure has to
//! reach it. The object is durable before the database lets go of the bytes; a crash between leaves an
//! object that nothing names. Reading fetches what is asked for, and leaves it where it is.

use std::sync::Arc;

use exhibit_model::{Nanos, TraceId, Workspace, WorkspaceId};
use exhibit_store::{Archive, Archived, ArchivedBlock, ObjectId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{Error, Recorder};

const DAY_NS: i64 = 86_400_000_000_000;
/// Names of traces that a report lists.
const NAMED_MAX: usize = 1_000;

/// Where payloads go, and when.
#[derive(Debug, Clone)]
pub struct ArchiveRule {
    /// The storage.
    pub archive: Arc<dyn Archive>,
    /// Where that is, for people.
    pub place: String,
    /// Days since a trace was last added to; none: only when asked.
    pub after_days: Option<u32>,
}

/// What a run moved, or would move.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ArchiveReport {
    /// Nothing was done.
    pub dry_run: bool,
    /// Traces whose payloads went.
    pub moved: u64,
    /// The first thousand of them.
    pub traces: Vec<String>,
    /// Bytes that went.
    pub bytes: u64,
}

/// How the archive stands for a workspace.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveStatus {
    /// Where payloads go; none: no archive is configured.
    pub place: Option<String>,
    /// Days after which they go by themselves.
    pub after_days: Option<u32>,
    /// Traces with archived payloads.
    pub traces: u64,
    /// Blocks of payload in the archive.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Recorder {
    /// Says where payloads go; once.
    pub fn set_archive(&self, rule: ArchiveRule) {
        let _ = self.archive.set(rule);
    }

    /// How the archive stands.
    pub async fn archive_status(&self, workspace: WorkspaceId) -> Result<ArchiveStatus, Error> {
        let Archived { traces, blocks, bytes } = self.store.archived(workspace).await?;
        let rule = self.archive.get();
        Ok(ArchiveStatus {
            place: rule.map(|rule| rule.place.clone()),
            after_days: rule.and_then(|rule| rule.after_days),
            traces,
            blocks,
            bytes,
        })
    }

    /// Moves payloads of sealed traces that were last added to `days` ago or earlier; as configured where
    /// none are given.
    ///
    /// # Errors
    /// No archive is configured; no days are given nor configured; storage fails. What went by then has
    /// gone.
    pub async fn run_archive(
        self: &Arc<Self>,
        workspace: &Workspace,
        days: Option<u32>,
        dry_run: bool,
    ) -> Result<ArchiveReport, Error> {
        let invalid =
            |message: &str| Error::Invalid { field: "archive", message: message.to_owned() };
        let rule = self
            .archive
            .get()
            .ok_or_else(|| invalid("no archive is configured; set archive.to to a directory"))?;
        let days = days.or(rule.after_days);
        let days = days.ok_or_else(|| invalid("say how many days are kept at hand"))?;
        let before = self.now().0.saturating_sub(i64::from(days).saturating_mul(DAY_NS));
        let mut report = ArchiveReport { dry_run, ..ArchiveReport::default() };
        let mut after = 0;
        loop {
            let found = self.store.archivable(workspace.id, Nanos(before), after).await?;
            for trace in found.0 {
                // An erasure does not come between.
                let _turn = self.keeping_turn.lock().await;
                let bytes = if dry_run {
                    Some(0)
                } else {
                    self.archive_trace(rule, workspace.id, &trace).await?
                };
                let Some(bytes) = bytes else { continue };
                report.moved += 1;
                report.bytes += bytes;
                if report.traces.len() < NAMED_MAX {
                    report.traces.push(trace.to_string());
                }
            }
            match found.1 {
                Some(next) => after = next,
                None => return Ok(report),
            }
        }
    }

    /// Moves one trace; how many bytes went, none where the trace is gone.
    async fn archive_trace(
        &self,
        rule: &ArchiveRule,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<u64>, Error> {
        let Some(payloads) = self.store.payloads(workspace, trace).await? else { return Ok(None) };
        let mut name = [0; 16];
        self.entropy.fill(&mut name);
        let object = ObjectId(name);
        let (mut bytes, mut moved) = (Vec::new(), Vec::with_capacity(payloads.blocks.len()));
        for (id, data) in payloads.blocks {
            let key = &payloads.key;
            let sealed = self.vault.seal_block(workspace, trace, key, data, &*self.entropy)?;
            let place = ArchivedBlock {
                object,
                offset: bytes.len() as u64,
                bytes: u32::try_from(sealed.len()).unwrap_or(u32::MAX),
                digest: Sha256::digest(&sealed).into(),
            };
            bytes.extend_from_slice(&sealed);
            moved.push((id, place));
        }
        let total = bytes.len() as u64;
        let archive = Arc::clone(&rule.archive);
        let put = tokio::task::spawn_blocking(move || archive.put(object, bytes)).await;
        put.map_err(|error| Error::Internal(error.to_string()))??;
        let done = self.store.archive(workspace, trace, moved).await?;
        Ok(done.then_some(total))
    }

    /// Follows the rule of every workspace.
    pub(crate) async fn archive_all(self: &Arc<Self>) -> Result<(), Error> {
        if self.archive.get().is_none_or(|rule| rule.after_days.is_none()) {
            return Ok(());
        }
        for workspace in self.store.workspaces().await? {
            let report = self.run_archive(&workspace, None, false).await?;
            if report.moved > 0 {
                let (traces, bytes) = (report.moved, report.bytes);
                tracing::info!(workspace = %workspace.name, traces, bytes, "payloads were archived");
            }
        }
        Ok(())
    }

    /// Removes objects of erased traces. Where that is not allowed they stay, and nobody can open them.
    pub(crate) async fn remove_archived(&self, objects: Vec<ObjectId>) {
        let Some(rule) = self.archive.get().filter(|_| !objects.is_empty()) else { return };
        let archive = Arc::clone(&rule.archive);
        let remove = move || {
            for object in objects {
                if let Err(error) = archive.remove(object) {
                    let object = object.path();
                    tracing::warn!(%error, object, "an archived object of an erased trace stays");
                }
            }
        };
        let _ = tokio::task::spawn_blocking(remove).await;
    }
}
