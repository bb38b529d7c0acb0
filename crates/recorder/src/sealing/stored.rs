//! Encrypting what was stored before payloads were to be encrypted.
//!
//! Trace by trace: the key is wrapped anew and every block sealed in one step, so a crash leaves a trace as
//! it was or as it is to be, and at most some slots that no trace names. A mark stays until the database is
//! written anew, so that whoever goes on knows that plain bytes may be left between its pages.

use std::time::Duration;

use exhibit_model::{Workspace, WorkspaceId};
use exhibit_store::{Filter, Order, Resealed, StoreError, TraceQuery, TraceRow};
use serde::Serialize;

use crate::{Error, Recorder, vault};

/// Says that plain bytes may be left in the database's files.
const LEFTOVERS: &str = "payloads.leftovers";
/// Traces read at once, and most that are sealed in one step.
const PAGE: usize = 250;
/// Payload bytes after which a step is made.
const STEP_BYTES: usize = 8 << 20;
/// How often a busy store is asked, and readers are waited for.
const TRIES: usize = 60;

/// What a run has encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Encrypted {
    /// Traces whose payloads lay in plain.
    pub traces: u64,
    /// Blocks of payload that were sealed.
    pub blocks: u64,
    /// Refused entries whose text was removed.
    pub refused_entries: u64,
    /// Nothing of it can be read any more in the files of the store. Else that is still to be done.
    pub scrubbed: bool,
}

impl Recorder {
    /// Encrypts the payloads of every trace that lie in plain, takes their previews and the texts of
    /// refused entries out, and writes the database anew. `progress` hears how many traces are done, and of
    /// how many. Broken off, it goes on where it was.
    ///
    /// # Errors
    /// Payloads are not encrypted here; the store fails, or a trace does not hold still.
    pub async fn encrypt_stored(
        &self,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Encrypted, Error> {
        if self.keys.sealing().is_none() {
            let message = "no master key is given".to_owned();
            return Err(Error::Invalid { field: "encryption", message });
        }
        let _turn = self.keeping_turn.lock().await;
        let workspaces = self.store.workspaces().await?;
        let mut all = 0;
        for workspace in &workspaces {
            all += self.count_plain(workspace).await?;
        }
        let mut done = Encrypted::default();
        let unmarked = self.store.swap_setting(LEFTOVERS, None, Some(b"1")).await?;
        for workspace in &workspaces {
            self.encrypt_workspace(workspace.id, &mut done, &|traces| progress(traces, all))
                .await?;
        }
        done.refused_entries = self.store.blank_letters().await?;
        // Nothing was replaced, now or by a run that was broken off.
        done.scrubbed = unmarked && all == 0 && done.refused_entries == 0;
        for _ in 0..TRIES {
            if done.scrubbed {
                break;
            }
            done.scrubbed = self.store.rewrite().await?;
        }
        if done.scrubbed {
            self.store.swap_setting(LEFTOVERS, Some(b"1"), None).await?;
        }
        Ok(done)
    }

    async fn count_plain(&self, workspace: &Workspace) -> Result<u64, Error> {
        let (mut count, mut after) = (0, None);
        loop {
            let (rows, next) = self.plain(workspace.id, after).await?;
            count += rows.len() as u64;
            if next.is_none() {
                return Ok(count);
            }
            after = next;
        }
    }

    /// A page of traces, those in plain of it, and where the next one begins.
    async fn plain(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
    ) -> Result<(Vec<TraceRow>, Option<String>), Error> {
        let query = TraceQuery { filter: Filter::All, order: Order::Oldest, after, limit: PAGE };
        let page = self.store.traces(workspace, &query).await?;
        let mut rows = page.rows;
        rows.retain(|row| !vault::is_sealed(&row.key));
        Ok((rows, page.next))
    }

    async fn encrypt_workspace(
        &self,
        workspace: WorkspaceId,
        done: &mut Encrypted,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let (rows, next) = self.plain(workspace, after).await?;
            let (mut waiting, mut bytes) = (Vec::new(), 0);
            for row in rows {
                let trace = &row.summary.trace_id;
                let Some(stored) = self.store.payloads(workspace, trace).await? else { continue };
                bytes += stored.blocks.iter().map(|(_, data)| data.len()).sum::<usize>();
                waiting.push(self.vault.reseal(workspace, trace, stored, &*self.entropy)?);
                if bytes > STEP_BYTES {
                    self.put_sealed(workspace, std::mem::take(&mut waiting), done).await?;
                    progress(done.traces);
                    bytes = 0;
                }
            }
            self.put_sealed(workspace, waiting, done).await?;
            progress(done.traces);
            if next.is_none() {
                return Ok(());
            }
            after = next;
        }
    }

    async fn put_sealed(
        &self,
        workspace: WorkspaceId,
        traces: Vec<Resealed>,
        done: &mut Encrypted,
    ) -> Result<(), Error> {
        if traces.is_empty() {
            return Ok(());
        }
        let blocks: usize = traces.iter().map(|one| one.blocks.len()).sum();
        self.vault.keep_slots().await?;
        for _ in 0..TRIES {
            match self.store.reseal(workspace, traces.clone()).await {
                Ok(true) => {
                    traces.iter().for_each(|one| self.vault.forget(workspace, &one.trace_id));
                    done.traces += traces.len() as u64;
                    done.blocks += blocks as u64;
                    return Ok(());
                }
                // Something was added in between: whoever asks again finds it.
                Ok(false) => return Err(Error::Busy { retry_after_ms: 1_000 }),
                Err(StoreError::Busy { retry_after_ms }) => {
                    tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy { retry_after_ms: 1_000 })
    }
}
