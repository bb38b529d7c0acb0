//! Rollups derived anew from the spans, for databases that counted otherwise.

use exhibit_store::rollup::{Accumulator, Inherited, attribution::Lineages};
use rusqlite::Connection;

use super::rollup;
use crate::{
    failure::{Result, SqlContext},
    row::{
        context::Contexts,
        span::{COLUMNS, Revision},
        trace::{STATE_COLUMNS, TraceState},
    },
};

/// Spans whose sums are collected before they are written.
const SPANS: u64 = 200_000;

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
