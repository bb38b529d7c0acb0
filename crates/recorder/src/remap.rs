//! Reading stored spans again with today's mapping.
//!
//! Raw attributes are kept whole, so a better mapping can be applied to what was recorded before it.
//! What reads otherwise becomes a new revision that supersedes the old one in the ledger; raw
//! attributes, times and the old revision stay as they are. Prices and rules in force speak again too,
//! since they read the mapped fields.

use std::sync::Arc;

use exhibit_capture::MAPPING_VERSION;
use exhibit_model::{Span, SpanId, TraceId, WorkspaceId};
use exhibit_store::{Order, SpanWindow};

use crate::{
    Error, Recorder,
    accept::{Group, decode},
};

/// Spans of one batch.
const SLICE: usize = 500;

/// How far a remapping is.
#[derive(Debug, Clone, Default)]
pub struct Remapped {
    /// Traces looked at.
    pub traces: u64,
    /// Spans looked at.
    pub spans: u64,
    /// Spans that were mapped by an older version and have been mapped again.
    pub mapped: u64,
    /// Where to go on; none when all is done.
    pub next: Option<String>,
}

impl Recorder {
    /// Maps the spans of up to `limit` traces again, newest first. `all`: those as well that today's
    /// version has mapped.
    pub async fn remap(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
        all: bool,
    ) -> Result<Remapped, Error> {
        let page = self.traces(workspace, "", Order::Newest, after, limit).await?;
        let mut done = Remapped { next: page.next, ..Remapped::default() };
        for row in page.rows {
            done.traces += 1;
            self.remap_trace(workspace, &row.summary.trace_id, all, &mut done).await?;
        }
        Ok(done)
    }

    async fn remap_trace(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        trace: &TraceId,
        all: bool,
        done: &mut Remapped,
    ) -> Result<(), Error> {
        let mut after = None;
        let mut ids = vec![(trace.clone(), SpanId::registration())];
        loop {
            let window = SpanWindow { after, limit: SLICE, parent: None };
            let page = self.store.spans(workspace, trace, &window).await?;
            ids.extend(page.rows.iter().map(|row| (trace.clone(), row.head.span_id.clone())));
            let stored = self.load(workspace, &ids).await?;
            let mut older: Vec<Span> = Vec::new();
            for stored in stored.iter().flatten() {
                let span = decode(stored)?;
                done.spans += 1;
                if all || span.mapping_version != MAPPING_VERSION {
                    older.push(span);
                }
            }
            done.mapped += older.len() as u64;
            if !older.is_empty() {
                let groups = Group::to_remap(trace.clone(), older);
                for batch in groups {
                    self.record_again(workspace, vec![batch]).await?;
                }
            }
            ids.clear();
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
