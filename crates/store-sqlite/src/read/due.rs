//! What the clocks have come to.

use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{Due, DueSpan};
use rusqlite::Connection;

use crate::{
    failure::{Result, SqlContext},
    row::{Columns, span_id, trace_id},
};

/// Traces to be sealed, and running spans without an update for `stale_after_ms`.
pub(crate) fn due(db: &Connection, now: Nanos, limit: usize, stale_after_ms: u64) -> Result<Due> {
    let doing = "reading what is due";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut due = Due::default();
    let mut statement = db
        .prepare_cached(
            "SELECT workspace, trace_id FROM traces INDEXED BY traces_by_seal_due \
             WHERE seal_due <= ?1 ORDER BY seal_due LIMIT ?2",
        )
        .when(doing)?;
    let mut rows = statement.query((now.0, limit)).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        due.seals.push((WorkspaceId(c.int()?), trace_id(c.text()?)?));
    }
    let after = i64::try_from(stale_after_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let Some(before) = now.0.checked_sub(after) else { return Ok(due) };
    let mut statement = db
        .prepare_cached(
            "SELECT t.workspace, t.trace_id, s.span_id FROM spans AS s INDEXED BY spans_running \
             CROSS JOIN traces AS t ON t.id = s.trace \
             WHERE s.received <= ?1 AND s.received IS NOT NULL ORDER BY s.received LIMIT ?2",
        )
        .when(doing)?;
    let mut rows = statement.query((before, limit)).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        due.stale.push(DueSpan {
            workspace: WorkspaceId(c.int()?),
            trace_id: trace_id(c.text()?)?,
            span_id: span_id(c.text()?)?,
        });
    }
    Ok(due)
}
