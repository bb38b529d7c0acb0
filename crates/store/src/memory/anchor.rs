//! Anchors, in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::{Anchor, AnchorKind, AnchorStore, StoreError};

#[async_trait]
impl AnchorStore for MemoryStore {
    async fn put_anchor(&self, anchor: Anchor) -> Result<(), StoreError> {
        let anchors = &mut self.state.lock().anchors;
        let place = |a: &Anchor| (a.kind, a.size, a.name.clone());
        anchors.retain(|held| place(held) != place(&anchor));
        anchors.push(anchor);
        anchors.sort_by(|a, b| (a.size, &a.name).cmp(&(b.size, &b.name)));
        Ok(())
    }

    async fn anchors(
        &self,
        kind: AnchorKind,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Anchor>, StoreError> {
        let state = self.state.lock();
        let wanted = state.anchors.iter().filter(|a| a.kind == kind && a.size >= from);
        Ok(wanted.take(limit).cloned().collect())
    }

    async fn latest_anchor(&self, kind: AnchorKind) -> Result<Option<Anchor>, StoreError> {
        Ok(self.state.lock().anchors.iter().rfind(|a| a.kind == kind).cloned())
    }
}
