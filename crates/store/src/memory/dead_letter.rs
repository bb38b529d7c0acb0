//! Refused entries, in memory.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use exhibit_model::WorkspaceId;

use super::MemoryStore;
use crate::{DeadLetter, DeadLetterStore, Page, StoreError, dead_letter::cursor};

/// The letters of all workspaces, oldest first.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    of: BTreeMap<WorkspaceId, VecDeque<(i64, DeadLetter)>>,
    last: i64,
}

#[async_trait]
impl DeadLetterStore for MemoryStore {
    async fn bury(
        &self,
        workspace: WorkspaceId,
        letters: Vec<DeadLetter>,
        keep: u64,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let all = &mut state.dead_letters;
        for letter in letters {
            all.last += 1;
            let number = all.last;
            let letter = DeadLetter { id: number.to_string(), ..letter };
            let held = all.of.entry(workspace).or_default();
            held.push_back((number, letter));
            while held.len() as u64 > keep {
                held.pop_front();
            }
        }
        Ok(())
    }

    async fn dead_letters(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<DeadLetter>, StoreError> {
        let after = cursor(after.as_deref())?.unwrap_or(i64::MAX);
        let state = self.state.lock();
        let held = state.dead_letters.of.get(&workspace);
        let newest = held.into_iter().flatten().rev().filter(|(number, _)| *number < after);
        let mut rows: Vec<DeadLetter> = newest.map(|(_, l)| l.clone()).take(limit + 1).collect();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|l| l.id.clone());
        Ok(Page { rows, next })
    }

    async fn clear_dead_letters(&self, workspace: WorkspaceId) -> Result<u64, StoreError> {
        let removed = self.state.lock().dead_letters.of.remove(&workspace);
        Ok(removed.map_or(0, |held| held.len() as u64))
    }
}
