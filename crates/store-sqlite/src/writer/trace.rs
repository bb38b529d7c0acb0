//! A trace that is being written: its row, and the facets it is found by.

use std::sync::Arc;

use exhibit_model::{Nanos, Status, TraceId, TraceSummary, WorkspaceId};
use exhibit_store::{SealWrite, StoreError, TraceKey};
use rusqlite::{Connection, params};

use super::facets::FacetChanges;
use crate::{
    Options,
    failure::{Result, SqlContext},
    query::{facet::FacetHasher, known},
    row::{context::RecentContexts, trace::TraceState},
};

/// Under which start and hashes a trace stands in the facets; none while it has no row.
pub(crate) type Filed = Option<(Nanos, Vec<i64>)>;

/// A trace with what the writer wants to know of it.
#[derive(Debug)]
pub(crate) struct OpenTrace {
    pub(crate) state: TraceState,
    /// Its last contexts, once needed.
    recent: Option<RecentContexts>,
    /// Under which start and hashes it stands in the facets; none while it has no row.
    filed: Filed,
    /// The session in its row.
    session: Option<String>,
    changed: bool,
}

impl OpenTrace {
    /// A trace that exists.
    pub(crate) fn load(workspace: WorkspaceId, state: TraceState) -> Self {
        let hashes = FacetHasher::new(workspace.0).all(&state.summary, state.sealed);
        let filed = Some((state.summary.start, hashes));
        let session = state.summary.session.clone();
        Self { state, recent: None, filed, session, changed: false }
    }

    /// A trace that the writer kept from an earlier transaction.
    pub(crate) fn resume(kept: Self) -> Self {
        Self { changed: false, ..kept }
    }

    /// A trace that begins.
    pub(crate) fn begin(id: i64, trace_id: &TraceId, key: TraceKey, received: Nanos) -> Self {
        let state = TraceState {
            id,
            sealed: false,
            first_received: received,
            last_received: received,
            records: 0,
            contexts: 0,
            leaves: 0,
            covered: 0,
            seals: 0,
            root_received: None,
            first_span: None,
            key,
            summary: Arc::new(TraceSummary::new(trace_id.clone(), received)),
        };
        Self { state, recent: None, filed: None, session: None, changed: true }
    }

    /// Its last contexts.
    pub(crate) fn recent_contexts(&mut self, db: &Connection) -> Result<&mut RecentContexts> {
        if self.recent.is_none() {
            self.recent = Some(RecentContexts::load(db, self.state.id, self.state.contexts)?);
        }
        self.recent.as_mut().ok_or_else(|| StoreError::Failed("contexts".to_owned()))
    }

    /// Where it stands in the facets.
    pub(crate) fn filed(&self) -> Filed {
        self.filed.clone()
    }

    /// Notes that it changed.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// Keeps a seal over it.
    pub(crate) fn seal(&mut self, db: &Connection, seal: &SealWrite, index: u64) -> Result<()> {
        db.prepare_cached(
            "INSERT INTO seals (trace, number, record, leaf, body, covered, root, partial, late) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .and_then(|mut s| {
            s.execute(params![
                self.state.id,
                self.state.seals,
                &seal.record.0[..],
                index as i64,
                seal.body,
                seal.covered as i64,
                &seal.root[..],
                seal.partial,
                seal.late,
            ])
        })
        .when("writing a seal")?;
        self.state.seals += 1;
        self.state.covered = seal.covered;
        self.state.sealed = !seal.partial;
        self.changed = true;
        Ok(())
    }

    /// What it weighs while it is kept, bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        let filed = self.filed.as_ref().map_or(0, |(_, hashes)| hashes.len() * 8);
        let summary = &self.state.summary;
        let names = summary.agents.len() + summary.users.len();
        let texts = names + summary.tags.len() + summary.metadata.len() + summary.ranks.len();
        2_048 + filed + texts * 160
    }

    /// When it is to be sealed; none when nothing is unsealed. See
    /// [`SpanStore::due`](exhibit_store::SpanStore::due).
    fn seal_due(&self, options: &Options) -> Option<i64> {
        let state = &self.state;
        let unsealed = state.leaves.saturating_sub(state.covered);
        if unsealed == 0 {
            return None;
        }
        let last = state.last_received.0;
        if unsealed > options.seal_partial_spans {
            return Some(last);
        }
        let after = |at: i64, ms: u64| {
            at.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000))
        };
        let silence = after(last, options.seal_after_silence_ms);
        let ended = state.summary.root_status.is_some_and(Status::is_terminal)
            && state.summary.running_count == 0;
        let root = state.root_received.filter(|_| ended);
        Some(root.map_or(silence, |at| silence.min(after(at.0, options.seal_after_root_ms))))
    }

    /// Writes the row, and notes which facets have to move.
    pub(crate) fn flush(
        &mut self,
        db: &Connection,
        options: &Options,
        workspace: i64,
        changes: &mut FacetChanges,
    ) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        if let Some(recent) = &self.recent {
            self.state.contexts = recent.count();
        }
        self.write_row(db, options, workspace)?;
        let trace = &self.state.summary;
        let hashes = FacetHasher::new(workspace).all(trace, self.state.sealed);
        changes.replace(self.state.id, self.filed.as_ref(), (trace.start, &hashes));
        self.filed = Some((trace.start, hashes));
        self.session.clone_from(&trace.session);
        self.changed = false;
        Ok(())
    }

    fn write_row(&self, db: &Connection, options: &Options, workspace: i64) -> Result<()> {
        let doing = "writing a trace";
        let state = &self.state;
        let trace = &*state.summary;
        let summary = serde_json::to_string(trace)
            .map_err(|e| StoreError::Failed(format!("writing a summary: {e}")))?;
        let usage = trace.usage();
        let sql = if self.filed.is_none() {
            "INSERT INTO traces (id, \"end\", duration, status, verdict, cost, tokens_in, \
             tokens_out, spans, errors, findings, known, sealed, last_received, records, contexts, \
             leaves, covered, seals, seal_due, root_received, first_span, summary, user, \
             first_received, session, start, workspace, trace_id, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
             ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, \
             ?27, ?28, ?29, ?30)"
        } else {
            "UPDATE traces SET \"end\" = ?2, duration = ?3, status = ?4, verdict = ?5, cost = ?6, \
             tokens_in = ?7, tokens_out = ?8, spans = ?9, errors = ?10, findings = ?11, \
             known = ?12, sealed = ?13, last_received = ?14, records = ?15, contexts = ?16, \
             leaves = ?17, covered = ?18, seals = ?19, seal_due = ?20, root_received = ?21, \
             first_span = ?22, summary = ?23, user = ?24, first_received = ?25 WHERE id = ?1"
        };
        let mut statement = db.prepare_cached(sql).when(doing)?;
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let columns = params![
            state.id,
            trace.end.map(|t| t.0),
            trace.duration().map(|t| t.0),
            trace.status().code(),
            trace.verdict.code(),
            trace.cost().map(|c| c.0),
            clamp(usage.input_tokens()),
            clamp(usage.output_tokens()),
            clamp(trace.span_count),
            clamp(trace.error_count),
            clamp(trace.findings),
            known::bits(trace),
            state.sealed,
            state.last_received.0,
            state.records as i64,
            state.contexts,
            state.leaves as i64,
            state.covered as i64,
            state.seals,
            self.seal_due(options),
            state.root_received.map(|t| t.0),
            state.first_span.as_ref().map(exhibit_model::SpanId::as_str),
            summary,
            trace.user,
            state.first_received.0,
        ];
        match &self.filed {
            None => {
                let mut all = columns.to_vec();
                let trace_id = trace.trace_id.as_str();
                let start = trace.start.0;
                let rest: &[&dyn rusqlite::ToSql] =
                    &[&trace.session, &start, &workspace, &trace_id, &state.key.0];
                all.extend_from_slice(rest);
                statement.execute(all.as_slice()).when(doing)?;
            }
            Some((start, _)) => {
                statement.execute(columns).when(doing)?;
                // Apart, since naming them touches their indexes even when they stay the same.
                if *start != trace.start || self.session != trace.session {
                    db.prepare_cached("UPDATE traces SET start = ?2, session = ?3 WHERE id = ?1")
                        .and_then(|mut s| s.execute((state.id, trace.start.0, &trace.session)))
                        .when(doing)?;
                }
            }
        }
        Ok(())
    }
}
