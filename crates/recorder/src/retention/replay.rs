//! Erasures outlive restores: digests of what was erased are kept beside the keys, which no backup
//! holds, and what an older backup brings back is erased again at the first start.
//!
//! A line is a workspace's number and the keyed digest of a trace: it names nothing. What the backup
//! does not hold needs no erasing, but its re-delivery is refused no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use exhibit_ledger::leaf_hash;
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{Filter, Order, TraceQuery};

use super::{RunReport, run::Cause};
use crate::{Error, Recorder};

/// The setting that says up to which state of the file the store is known to follow.
const SETTING: &str = "erasures.applied";
/// Traces read at once.
const PAGE: usize = 1_000;
/// Traces erased in one step.
const BATCH: usize = 200;
/// What the certificate says.
const WHY: &str = "erased before the backup that brought it back was restored";

type Digests = BTreeMap<WorkspaceId, BTreeSet<[u8; 16]>>;

impl Recorder {
    /// Keeps digests of erased traces beside the keys.
    pub(super) fn remember_erasures(
        &self,
        workspace: WorkspaceId,
        digests: &[[u8; 16]],
    ) -> Result<(), Error> {
        let lines: Vec<String> =
            digests.iter().map(|one| format!("{} {}", workspace.0, hex::encode(one))).collect();
        let lines = lines.join("\n") + "\n";
        let failed = |error: crate::KeysError| Error::Internal(error.to_string());
        self.keys.remember_erasures(&lines).map_err(failed)
    }

    /// Erases again what a restored backup has brought back.
    pub(crate) async fn replay_erasures(self: &Arc<Self>) -> Result<(), Error> {
        let text = self.erasures()?;
        let state = leaf_hash(text.as_bytes()).0;
        if text.is_empty() || self.store.setting(SETTING).await?.as_deref() == Some(&state[..]) {
            return Ok(());
        }
        let mut again = 0;
        for (workspace, digests) in parse(&text) {
            let wanted: Vec<[u8; 16]> = digests.into_iter().collect();
            let there = self.store.tombstones(workspace, &wanted).await?;
            let back = wanted.into_iter().zip(there).filter(|(_, is_there)| !is_there);
            let back: BTreeSet<[u8; 16]> = back.map(|(digest, _)| digest).collect();
            if !back.is_empty() {
                again += self.erase_again(workspace, &back).await?;
            }
        }
        if again > 0 {
            tracing::warn!(
                traces = again,
                "a backup brought erased traces back; they are erased again"
            );
            self.store.scrub().await?;
        }
        self.note_applied().await
    }

    async fn erase_again(
        &self,
        workspace: WorkspaceId,
        back: &BTreeSet<[u8; 16]>,
    ) -> Result<usize, Error> {
        let mut found: Vec<TraceId> = Vec::new();
        let mut after = None;
        loop {
            let filter = Filter::All;
            let query = TraceQuery { filter, order: Order::Oldest, after, limit: PAGE };
            let page = self.store.traces(workspace, &query).await?;
            let ids = page.rows.iter().map(|row| &row.summary.trace_id);
            found.extend(ids.filter(|id| back.contains(&self.tombstone(workspace, id))).cloned());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut report = RunReport::default();
        let cause = Cause { kind: "erasure", why: WHY, by: "restore" };
        for ids in found.chunks(BATCH) {
            self.take_batch(workspace, ids, cause, &mut report).await?;
        }
        Ok(found.len())
    }

    /// Notes that the store follows the file as it is.
    pub(super) async fn note_applied(&self) -> Result<(), Error> {
        let state = leaf_hash(self.erasures()?.as_bytes()).0;
        let before = self.store.setting(SETTING).await?;
        // Another one that notes at the same time has noted the same file.
        self.store.swap_setting(SETTING, before.as_deref(), Some(&state[..])).await?;
        Ok(())
    }

    fn erasures(&self) -> Result<String, Error> {
        self.keys.erasures().map_err(|error| Error::Internal(error.to_string()))
    }
}

/// The lines that read; others were cut off by a crash.
fn parse(text: &str) -> Digests {
    let mut digests = Digests::new();
    for line in text.lines() {
        let Some((workspace, digest)) = line.split_once(' ') else { continue };
        let mut bytes = [0; 16];
        if let (Ok(number), Ok(())) = (workspace.parse(), hex::decode_to_slice(digest, &mut bytes))
        {
            digests.entry(WorkspaceId(number)).or_default().insert(bytes);
        }
    }
    digests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_passed_over() {
        let whole = format!("7 {}\n", hex::encode([1; 16]));
        let digests = parse(&format!("{whole}7 0102\nx y\n7"));
        assert_eq!(digests[&WorkspaceId(7)], BTreeSet::from([[1; 16]]));
        assert_eq!(digests.len(), 1);
    }
}
