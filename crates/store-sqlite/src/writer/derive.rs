//! What older versions counted otherwise or did not keep, derived anew from the spans.

use std::{collections::BTreeSet, sync::Arc};

use exhibit_model::TraceSummary;
use exhibit_store::{
    StoreError,
    rollup::{Accumulator, Inherited, attribution::Lineages},
};
use rusqlite::Connection;

use super::{
    facets::{FacetChanges, FacetFlow},
    rollup,
};
use crate::{
    failure::{Result, SqlContext},
    query::facet::FacetHasher,
    row::{
        Columns,
        context::Contexts,
        span::{COLUMNS, Packed, Revision},
        trace::{STATE_COLUMNS, TraceState},
    },
};

/// Spans whose sums are collected before they are written.
const SPANS: u64 = 200_000;
/// Traces whose summaries are in memory at once.
const TRACES: i64 = 2_000;

/// Replaces every rollup by what the stored spans add up to; a second or two for a million of them.
pub(crate) fn rollups(db: &Connection) -> Result<()> {
    let doing = "deriving rollups";
    db.execute_batch("DELETE FROM rollups; DELETE FROM rollup_deltas").when(doing)?;
    let sql = format!(
        "SELECT {STATE_COLUMNS}, workspace FROM traces INDEXED BY traces_by_workspace \
         ORDER BY workspace"
    );
    let mut statement = db.prepare(&sql).when(doing)?;
    let mut rows = statement.query([]).when(doing)?;
    let mut sum = Accumulator::new();
    let (mut of, mut waiting, mut all) = (0, 0, 0);
    while let Some(row) = rows.next().when(doing)? {
        let workspace: i64 = row.get("workspace").when(doing)?;
        let state = TraceState::read(row)?;
        if workspace != of || waiting > SPANS {
            rollup::add(db, of, &std::mem::take(&mut sum).into_cells())?;
            (of, waiting) = (workspace, 0);
        }
        whole_trace(db, &state, |revision, first, inherited| {
            sum.add(&revision.head, revision.counted, first, inherited);
        })?;
        waiting += state.records;
        all += state.records;
    }
    rollup::add(db, of, &sum.into_cells())?;
    if all > 0 {
        tracing::info!(spans = all, "rollups derived anew");
    }
    Ok(())
}

/// Fills the sets of agents and users of every trace, and files traces under what that adds.
pub(crate) fn names(db: &Connection) -> Result<()> {
    let doing = "collecting agents and users";
    let sql = format!(
        "SELECT {STATE_COLUMNS}, workspace FROM traces WHERE id > ?1 ORDER BY id LIMIT {TRACES}"
    );
    let mut page = db.prepare(&sql).when(doing)?;
    let mut flow = FacetFlow::default();
    let mut after = i64::MIN;
    loop {
        let mut traces: Vec<(i64, TraceState)> = Vec::new();
        let mut rows = page.query([after]).when(doing)?;
        while let Some(row) = rows.next().when(doing)? {
            traces.push((row.get("workspace").when(doing)?, TraceState::read(row)?));
        }
        let Some((_, last)) = traces.last() else { return Ok(()) };
        after = last.id;
        let mut changes = FacetChanges::default();
        // Of a trace that names none, no span does.
        traces.retain(|(_, trace)| trace.summary.agent.is_some() || trace.summary.user.is_some());
        for (workspace, mut state) in traces {
            let hasher = FacetHasher::new(workspace);
            let summary = Arc::make_mut(&mut state.summary);
            // Under these it stands already.
            summary.agents.extend(summary.agent.clone());
            summary.users.extend(summary.user.clone());
            let filed = (summary.start, hasher.all(summary, state.sealed));
            collect_names(db, state.id, summary)?;
            write_summary(db, state.id, summary)?;
            let hashes = hasher.all(summary, state.sealed);
            changes.replace(state.id, Some(&filed), (summary.start, &hashes));
        }
        flow = changes.write(db, flow)?;
    }
}

/// Takes into a trace's summary what its current spans name.
fn collect_names(db: &Connection, trace: i64, summary: &mut TraceSummary) -> Result<()> {
    let doing = "reading what the spans of a trace name";
    let contexts = Contexts::load(db, trace)?;
    let mut statement =
        db.prepare_cached("SELECT packed FROM spans WHERE trace = ?1").when(doing)?;
    let mut rows = statement.query([trace]).when(doing)?;
    let mut numbers = BTreeSet::new();
    while let Some(row) = rows.next().when(doing)? {
        numbers.insert(Packed::read(Columns::of(row).bytes()?)?.facts()?.context);
    }
    for number in numbers {
        let context = contexts.get(number)?;
        summary.agents.extend(context.agent().map(str::to_owned));
        summary.users.extend(context.user().map(str::to_owned));
    }
    Ok(())
}

fn write_summary(db: &Connection, trace: i64, summary: &TraceSummary) -> Result<()> {
    let json = serde_json::to_string(summary)
        .map_err(|e| StoreError::Failed(format!("writing a summary: {e}")))?;
    db.prepare_cached("UPDATE traces SET summary = ?2 WHERE id = ?1")
        .and_then(|mut s| s.execute((trace, json)))
        .when("writing a summary")?;
    Ok(())
}

/// Visits the current revisions of a trace, each with whether it is the first and what it inherits.
pub(crate) fn whole_trace(
    db: &Connection,
    state: &TraceState,
    mut visit: impl FnMut(&Revision, bool, Inherited<'_>),
) -> Result<()> {
    let doing = "reading the spans of a trace";
    let contexts = Contexts::load(db, state.id)?;
    let sql = format!("SELECT {COLUMNS} FROM spans WHERE trace = ?1");
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut each = |visit: &mut dyn FnMut(Revision)| -> Result<()> {
        let mut rows = statement.query([state.id]).when(doing)?;
        while let Some(row) = rows.next().when(doing)? {
            visit(Revision::read(row, &state.summary.trace_id, &contexts)?);
        }
        Ok(())
    };
    // Twice over the rows rather than once over copies of them: a trace may be large.
    let mut lineages = Lineages::default();
    if state.summary.agent.is_some() {
        each(&mut |revision| lineages.take(&revision.head))?;
    }
    each(&mut |revision| {
        let agent = lineages.agent(&revision.head);
        let user = state.summary.user.as_deref();
        let first = state.first_span.as_ref() == Some(&revision.head.span_id);
        visit(&revision, first, Inherited { agent, user });
    })
}
