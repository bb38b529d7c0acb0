//! What a commit has to know before it writes.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use exhibit_model::{SpanHead, TraceId, TraceSummary, WorkspaceId};
use exhibit_store::{
    Batch, SpanWrite,
    rollup::{attribution::registered, claims},
};

use super::apply::OpenTrace;
use crate::{
    failure::{Result, When},
    row::{Columns, span_id, trace_id},
    trace::{REVISION, Revision, TRACE, TraceState},
};

/// The traces that batches touch, as far as they exist.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) traces: HashMap<(WorkspaceId, TraceId), OpenTrace>,
    /// Tombstones that are there, of traces that are not.
    pub(super) erased: HashSet<(WorkspaceId, [u8; 16])>,
}

/// Draws so many numbers, each larger than the one before.
pub(crate) async fn numbers(db: &Transaction<'_>, count: usize) -> Result<Vec<i64>> {
    let doing = "drawing numbers";
    let sql = "SELECT nextval('numbers') FROM generate_series(1, $1::bigint)";
    let statement = db.prepare_cached(sql).await.when(doing)?;
    let rows = db.query(&statement, &[&(count as i64)]).await.when(doing)?;
    rows.iter().map(|row| Columns::of(row).next()).collect()
}

impl Loaded {
    pub(super) async fn of(db: &Transaction<'_>, batches: &[Batch]) -> Result<Self> {
        let mut loaded = Self { traces: traces(db, batches).await?, erased: HashSet::new() };
        loaded.load_erased(db, batches).await?;
        if !loaded.traces.is_empty() {
            loaded.load_spans(db, batches).await?;
            loaded.load_claims(db, batches).await?;
            loaded.load_whole(db, batches).await?;
            loaded.load_kin(db, batches).await?;
        }
        Ok(loaded)
    }

    /// Which of the traces that batches begin were erased.
    async fn load_erased(&mut self, db: &Transaction<'_>, batches: &[Batch]) -> Result<()> {
        let doing = "reading tombstones";
        let begun: Vec<(WorkspaceId, [u8; 16])> = writes(batches)
            .filter(|(batch, write)| {
                !self.traces.contains_key(&(batch.workspace, write.trace_id.clone()))
            })
            .filter_map(|(batch, write)| Some((batch.workspace, write.tombstone?)))
            .collect();
        if begun.is_empty() {
            return Ok(());
        }
        let workspaces: Vec<i64> = begun.iter().map(|(workspace, _)| workspace.0).collect();
        let digests: Vec<&[u8]> = begun.iter().map(|(_, digest)| &digest[..]).collect();
        let sql = "SELECT w.place FROM unnest($1::bigint[], $2::bytea[]) WITH ORDINALITY \
                   AS w (workspace, digest, place) JOIN tombstones AS t \
                   ON t.workspace = w.workspace AND t.digest = w.digest";
        let statement = db.prepare_cached(sql).await.when(doing)?;
        for row in db.query(&statement, &[&workspaces, &digests]).await.when(doing)? {
            let place: i64 = Columns::of(&row).next()?;
            let found = usize::try_from(place - 1).ok().and_then(|place| begun.get(place));
            self.erased.extend(found.copied());
        }
        Ok(())
    }

    /// The current revisions that batches replace.
    async fn load_spans(&mut self, db: &Transaction<'_>, batches: &[Batch]) -> Result<()> {
        let doing = "reading spans";
        let (mut ids, mut spans) = (Vec::new(), Vec::new());
        let mut of: HashMap<i64, (WorkspaceId, TraceId)> = HashMap::new();
        for (batch, write) in writes(batches) {
            let key = (batch.workspace, write.trace_id.clone());
            let Some(trace) = self.traces.get(&key) else { continue };
            for span in &write.spans {
                ids.push(trace.state.id);
                spans.push(span.head.span_id.as_str());
            }
            of.insert(trace.state.id, key);
        }
        if ids.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT p.trace, {REVISION} FROM unnest($1::bigint[], $2::text[]) AS w (trace, span_id) \
             JOIN spans AS p ON p.trace = w.trace AND p.span_id = w.span_id"
        );
        let statement = db.prepare_cached(&sql).await.when(doing)?;
        for row in db.query(&statement, &[&ids, &spans]).await.when(doing)? {
            let mut c = Columns::of(&row);
            let id: i64 = c.next()?;
            let revision = Revision::read(&mut c)?;
            if let Some(trace) = of.get(&id).and_then(|key| self.traces.get_mut(key)) {
                trace.spans.insert(revision.head.span_id.clone(), revision);
            }
        }
        Ok(())
    }

    /// Who counts the responses that batches claim.
    async fn load_claims(&mut self, db: &Transaction<'_>, batches: &[Batch]) -> Result<()> {
        let doing = "reading counted responses";
        let (mut ids, mut wanted) = (Vec::new(), Vec::new());
        let mut of: HashMap<i64, (WorkspaceId, TraceId)> = HashMap::new();
        for (batch, write) in writes(batches) {
            let key = (batch.workspace, write.trace_id.clone());
            let Some(trace) = self.traces.get(&key) else { continue };
            for claim in write.spans.iter().filter_map(|span| claims(&span.head)) {
                ids.push(trace.state.id);
                wanted.push(claim.as_bytes());
            }
            of.insert(trace.state.id, key);
        }
        if ids.is_empty() {
            return Ok(());
        }
        let sql = "SELECT p.trace, p.claim, p.span_id FROM unnest($1::bigint[], $2::bytea[]) \
                   AS w (trace, claim) JOIN spans AS p ON p.trace = w.trace AND p.claim = w.claim";
        let statement = db.prepare_cached(sql).await.when(doing)?;
        for row in db.query(&statement, &[&ids, &wanted]).await.when(doing)? {
            let mut c = Columns::of(&row);
            let (id, claim): (i64, String) = (c.next()?, c.text()?);
            let span = span_id(c.next()?)?;
            if let Some(trace) = of.get(&id).and_then(|key| self.traces.get_mut(key)) {
                trace.claims.insert(claim, span);
            }
        }
        Ok(())
    }

    /// All spans of the traces whose summaries have to be folded anew, or whose user or registered agent
    /// may change: what counts under it moves.
    async fn load_whole(&mut self, db: &Transaction<'_>, batches: &[Batch]) -> Result<()> {
        let doing = "reading the spans of traces";
        let mut whole: HashMap<i64, (WorkspaceId, TraceId)> = HashMap::new();
        for (batch, write) in writes(batches) {
            let key = (batch.workspace, write.trace_id.clone());
            let Some(trace) = self.traces.get(&key) else { continue };
            let refolds = |head: &SpanHead| {
                let old = trace.spans.get(&head.span_id);
                old.is_some_and(|old| !TraceSummary::replaces_in_place(&old.head, head))
            };
            let summary = &trace.state.summary;
            let names = |head: &SpanHead| {
                let registers = head.span_id.is_registration() && head.agent.is_some();
                (head.user.is_some() && head.user != summary.user)
                    || (registers && head.agent.as_deref() != registered(summary))
            };
            let concerns = |span: &SpanWrite| refolds(&span.head) || names(&span.head);
            if write.spans.iter().any(concerns) {
                whole.insert(trace.state.id, key);
            }
        }
        if whole.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = whole.keys().copied().collect();
        let sql = format!("SELECT p.trace, {REVISION} FROM spans AS p WHERE p.trace = ANY($1)");
        let statement = db.prepare_cached(&sql).await.when(doing)?;
        for row in db.query(&statement, &[&ids]).await.when(doing)? {
            let mut c = Columns::of(&row);
            let id: i64 = c.next()?;
            let revision = Revision::read(&mut c)?;
            if let Some(trace) = whole.get(&id).and_then(|key| self.traces.get_mut(key)) {
                trace.asked.whole = true;
                trace.spans.insert(revision.head.span_id.clone(), revision);
            }
        }
        Ok(())
    }
}

pub(super) fn writes(
    batches: &[Batch],
) -> impl Iterator<Item = (&Batch, &exhibit_store::TraceWrite)> {
    batches.iter().flat_map(|batch| batch.traces.iter().map(move |write| (batch, write)))
}

async fn traces(
    db: &Transaction<'_>,
    batches: &[Batch],
) -> Result<HashMap<(WorkspaceId, TraceId), OpenTrace>> {
    let doing = "reading traces";
    let touched = batches.iter().flat_map(super::touched);
    let (spaces, ids): (Vec<i64>, Vec<String>) =
        touched.map(|(workspace, trace)| (workspace.0, trace.to_string())).unzip();
    let sql = format!(
        "SELECT t.workspace, t.trace_id, {TRACE} FROM (SELECT DISTINCT * FROM \
         unnest($1::bigint[], $2::text[]) AS u (workspace, trace_id)) AS w \
         JOIN traces AS t ON t.workspace = w.workspace AND t.trace_id = w.trace_id"
    );
    let statement = db.prepare_cached(&sql).await.when(doing)?;
    let rows = db.query(&statement, &[&spaces, &ids]).await.when(doing)?;
    let mut traces = HashMap::with_capacity(rows.len());
    for row in rows {
        let mut c = Columns::of(&row);
        let key = (WorkspaceId(c.next()?), trace_id(c.next()?)?);
        traces.insert(key, OpenTrace::load(TraceState::read(&mut c)?));
    }
    Ok(traces)
}
