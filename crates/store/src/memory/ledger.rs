//! Logs in memory.

use async_trait::async_trait;
use exhibit_ledger::{Frontier, Hash};
use exhibit_model::WorkspaceId;

use super::{MemoryStore, State};
use crate::{
    AdminAct, LedgerStore, LogHead, LogId, StoreError, StoredAct, StoredCheckpoint, span::Leaf,
};

/// One log.
#[derive(Debug, Default)]
pub(super) struct Log {
    leaves: Vec<Vec<u8>>,
    /// Hashes by tile level; level 0 are the leaves'.
    levels: Vec<Vec<[u8; 32]>>,
    frontier: Frontier,
    checkpoint: Option<StoredCheckpoint>,
}

impl Log {
    /// Appends a leaf; its index.
    pub(super) fn append(&mut self, leaf: Leaf) -> u64 {
        let index = self.frontier.size();
        self.put_hash(0, leaf.hash);
        for tile in self.frontier.append_many(&[Hash(leaf.hash)]) {
            self.put_hash(usize::from(tile.level), tile.hash.0);
        }
        self.leaves.push(leaf.bytes);
        index
    }

    fn put_hash(&mut self, level: usize, hash: [u8; 32]) {
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].push(hash);
    }

    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(super) fn head(&self, log: LogId) -> LogHead {
        LogHead { log, size: self.frontier.size(), root: self.frontier.root().0 }
    }
}

impl State {
    /// Keeps an act of administration with its leaf.
    pub(super) fn record(&mut self, workspace: WorkspaceId, act: AdminAct) {
        let space = self.spaces.entry(workspace).or_default();
        let index = space.log.append(act.leaf);
        space.acts.push(StoredAct { index, body: act.body });
    }

    fn log(&self, log: LogId) -> Option<&Log> {
        match log {
            LogId::Installation => Some(&self.installation),
            LogId::Workspace(id) => self.spaces.get(&id).map(|space| &space.log),
        }
    }
}

fn slice<T: Clone>(all: &[T], from: u64, to: u64) -> Vec<T> {
    let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(all.len());
    all.get(place(from)..place(to)).unwrap_or_default().to_vec()
}

#[async_trait]
impl LedgerStore for MemoryStore {
    async fn head(&self, log: LogId) -> Result<LogHead, StoreError> {
        let state = self.state.lock();
        Ok(state.log(log).map_or_else(|| Log::default().head(log), |found| found.head(log)))
    }

    async fn unpublished(&self) -> Result<Vec<LogHead>, StoreError> {
        let state = self.state.lock();
        let grown = state.spaces.iter().filter(|(_, s)| s.log.frontier.size() > s.published);
        Ok(grown.map(|(id, space)| space.log.head(LogId::Workspace(*id))).collect())
    }

    async fn publish(&self, heads: &[LogHead], leaves: Vec<Leaf>) -> Result<LogHead, StoreError> {
        let mut state = self.state.lock();
        for head in heads {
            if let LogId::Workspace(id) = head.log
                && let Some(space) = state.spaces.get_mut(&id)
            {
                space.published = space.published.max(head.size);
            }
        }
        for leaf in leaves {
            state.installation.append(leaf);
        }
        Ok(state.installation.head(LogId::Installation))
    }

    async fn put_checkpoint(&self, checkpoint: StoredCheckpoint) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let log = match checkpoint.log {
            LogId::Installation => &mut state.installation,
            LogId::Workspace(id) => &mut state.spaces.entry(id).or_default().log,
        };
        if log.checkpoint.as_ref().is_none_or(|held| held.size <= checkpoint.size) {
            log.checkpoint = Some(checkpoint);
        }
        Ok(())
    }

    async fn checkpoint(&self, log: LogId) -> Result<Option<StoredCheckpoint>, StoreError> {
        Ok(self.state.lock().log(log).and_then(|log| log.checkpoint.clone()))
    }

    async fn leaves(&self, log: LogId, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.state.lock().log(log).map(|l| slice(&l.leaves, from, to)).unwrap_or_default())
    }

    async fn hashes(
        &self,
        log: LogId,
        level: u8,
        from: u64,
        to: u64,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        let state = self.state.lock();
        let level = state.log(log).and_then(|l| l.levels.get(usize::from(level)));
        Ok(level.map(|hashes| slice(hashes, from, to)).unwrap_or_default())
    }
}
