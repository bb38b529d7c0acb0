//! Exports of spans as they are shown, for spreadsheets, notebooks and other stores.
//!
//! Nothing is proved by them; [evidence bundles](crate::Evidence) do that. What is quarantined is in them as
//! lists show it: that it happened, not what it held. Every export is an entry of the log before anything is
//! handed out.

use std::{io, sync::Arc};

use exhibit_model::{TraceId, Workspace, WorkspaceId};
use exhibit_store::SpanWindow;
use tokio::runtime::Handle;

use crate::{Error, EvidenceQuery, Recorder, SpanDetail};

/// Spans read at once.
const PAGE: usize = 64;

/// An export that is ready to be written.
pub struct SpanExport {
    recorder: Arc<Recorder>,
    workspace: WorkspaceId,
    traces: Vec<TraceId>,
    next: Option<String>,
}

impl Recorder {
    /// Finds the traces of an export, which the log names by `format`.
    ///
    /// # Errors
    /// A filter that does not read; no such trace.
    pub async fn span_export(
        self: &Arc<Self>,
        workspace: &Workspace,
        query: EvidenceQuery,
        format: &str,
    ) -> Result<SpanExport, Error> {
        let (traces, next) = self.found(workspace, &query).await?;
        self.note_export(workspace, format).await?;
        Ok(SpanExport { recorder: Arc::clone(self), workspace: workspace.id, traces, next })
    }
}

impl SpanExport {
    /// How many traces it holds.
    pub fn traces(&self) -> usize {
        self.traces.len()
    }

    /// Where the next one of a series begins.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Gives all spans, some at a time, those of one trace together and in order of start. Only for
    /// blocking threads: it waits for the store.
    ///
    /// # Errors
    /// The store fails, or `each` does.
    pub fn each(
        &self,
        runtime: &Handle,
        mut each: impl FnMut(&[SpanDetail]) -> io::Result<()>,
    ) -> Result<(), Error> {
        for trace in &self.traces {
            let mut window = SpanWindow { limit: PAGE, ..SpanWindow::default() };
            loop {
                let read = self.recorder.span_page(self.workspace, trace, &window);
                let (details, after) = runtime.block_on(read)?;
                if !details.is_empty() {
                    each(&details).map_err(|error| Error::Internal(error.to_string()))?;
                }
                window.after = after;
                if window.after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Recorder {
    async fn span_page(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        window: &SpanWindow,
    ) -> Result<(Vec<SpanDetail>, Option<String>), Error> {
        let page = self.store.spans(workspace, trace, window).await?;
        let ids: Vec<_> =
            page.rows.iter().map(|row| (trace.clone(), row.head.span_id.clone())).collect();
        let stored = self.load(workspace, &ids).await?;
        let details = stored.iter().flatten().map(|stored| SpanDetail::of(stored, false));
        Ok((details.collect::<Result<_, _>>()?, page.next))
    }
}
