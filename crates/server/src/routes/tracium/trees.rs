//! The trees of traces that are being sent, held ready: finding a parent would otherwise read the
//! whole trace for every span.

use std::{num::NonZero, sync::Arc};

use exhibit_capture::dialect::tracium::tree::{Place, Tree};
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_recorder::Recorder;
use lru::LruCache;
use parking_lot::Mutex;

use crate::problem::Problem;

/// Traces held ready. A trace of 200 spans takes about 40 KB.
const HELD: usize = 512;

type Name = (WorkspaceId, TraceId);

/// The trees of the latest traces. What is not held is read from the store.
pub(crate) struct Trees {
    held: Mutex<LruCache<Name, Arc<tokio::sync::Mutex<Tree>>>>,
}

impl Default for Trees {
    fn default() -> Self {
        let held = LruCache::new(NonZero::<usize>::MIN.saturating_add(HELD));
        Self { held: Mutex::new(held) }
    }
}

impl Trees {
    /// The tree of a trace, as far as the trace is known. Its lock is held while spans are settled,
    /// so that two requests of one trace do not overlook each other.
    pub(crate) async fn of(
        &self,
        recorder: &Arc<Recorder>,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Arc<tokio::sync::Mutex<Tree>>, Problem> {
        let name = (workspace, trace.clone());
        if let Some(tree) = self.held.lock().get(&name) {
            return Ok(Arc::clone(tree));
        }
        let spans_max = recorder.limits().window_spans_max;
        let mut tree = Tree::default();
        if let Some((_, spans)) = recorder.trace_with_spans(workspace, trace, spans_max).await? {
            spans.iter().for_each(|detail| tree.add(Place::of_span(&detail.span)));
        }
        let tree = Arc::new(tokio::sync::Mutex::new(tree));
        Ok(Arc::clone(self.held.lock().get_or_insert(name, || tree)))
    }

    /// Lets go of a trace that has ended.
    pub(crate) fn forget(&self, workspace: WorkspaceId, trace: &TraceId) {
        self.held.lock().pop(&(workspace, trace.clone()));
    }
}
