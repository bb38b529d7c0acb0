//! A trace's row.

use std::{collections::BTreeSet, sync::Arc};

use exhibit_model::{Nanos, ReviewState, SpanId, TraceSummary, WorkspaceId};
use exhibit_store::{StoredSeal, TraceKey, TraceRow};
use rusqlite::Connection;

use super::Columns;
use crate::failure::{Result, SqlContext, corrupt};

/// The columns that [`ListedTrace::read`] expects.
pub(crate) const LISTED_COLUMNS: &str =
    "t.id, t.first_received, t.last_received, t.seals, t.key, t.summary";

/// A trace as a list shows it, without its seal.
#[derive(Debug)]
pub(crate) struct ListedTrace {
    pub(crate) id: i64,
    pub(crate) row: TraceRow,
    seals: i64,
}

impl ListedTrace {
    /// Reads [`LISTED_COLUMNS`], `skip` columns from the left.
    pub(crate) fn read(row: &rusqlite::Row<'_>, skip: usize) -> Result<Self> {
        let mut c = Columns::from(row, skip);
        let id = c.int()?;
        let first_received = c.time()?;
        let last_received = c.time()?;
        let seals = c.int()?;
        let key = TraceKey(c.bytes()?.to_vec());
        let summary = Arc::new(parse_summary(c.text()?)?);
        let reviews = BTreeSet::new();
        let row = TraceRow { summary, first_received, last_received, seal: None, reviews, key };
        Ok(Self { id, row, seals })
    }

    /// Adds how its reviews stand.
    pub(crate) fn with_reviews(mut self, db: &Connection, workspace: WorkspaceId) -> Result<Self> {
        let doing = "reading how reviews stand";
        let mut statement = db
            .prepare_cached(
                "SELECT state FROM reviews INDEXED BY reviews_of_trace \
                 WHERE workspace = ?1 AND trace_id = ?2",
            )
            .when(doing)?;
        let id = self.row.summary.trace_id.as_str();
        let mut rows = statement.query((workspace.0, id)).when(doing)?;
        while let Some(row) = rows.next().when(doing)? {
            let state = ReviewState::from_code(Columns::of(row).int()?);
            self.row.reviews.insert(state.ok_or_else(|| corrupt("the state of a review"))?);
        }
        Ok(self)
    }

    /// Adds the latest seal.
    pub(crate) fn with_seal(mut self, connection: &Connection) -> Result<Self> {
        if self.seals > 0 {
            self.row.seal = seals(connection, self.id, self.seals - 1)?.pop();
        }
        Ok(self)
    }
}

/// The seals of a trace from a number on.
pub(crate) fn seals(connection: &Connection, trace: i64, from: i64) -> Result<Vec<StoredSeal>> {
    let doing = "reading seals";
    let mut statement = connection
        .prepare_cached(
            "SELECT record, leaf, body, covered, root, partial, late FROM seals \
             WHERE trace = ?1 AND number >= ?2 ORDER BY number",
        )
        .when(doing)?;
    let mut rows = statement.query((trace, from)).when(doing)?;
    let mut seals = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        seals.push(StoredSeal {
            record: c.record()?,
            index: c.count()?,
            body: c.bytes()?.to_vec(),
            covered: c.count()?,
            root: c.array()?,
            partial: c.flag()?,
            late: c.flag()?,
        });
    }
    Ok(seals)
}

/// A summary as stored.
pub(crate) fn parse_summary(json: &str) -> Result<TraceSummary> {
    serde_json::from_str(json).map_err(|e| corrupt(format!("a trace summary: {e}")))
}

/// The columns that [`TraceState::read`] expects.
pub(crate) const STATE_COLUMNS: &str = "id, sealed, first_received, last_received, records, \
     contexts, leaves, covered, seals, root_received, first_span, key, summary";

/// Everything the writer knows of a trace.
#[derive(Debug)]
pub(crate) struct TraceState {
    pub(crate) id: i64,
    pub(crate) sealed: bool,
    pub(crate) first_received: Nanos,
    pub(crate) last_received: Nanos,
    pub(crate) records: u64,
    pub(crate) contexts: i64,
    pub(crate) leaves: u64,
    pub(crate) covered: u64,
    pub(crate) seals: i64,
    pub(crate) root_received: Option<Nanos>,
    pub(crate) first_span: Option<SpanId>,
    pub(crate) key: TraceKey,
    pub(crate) summary: Arc<TraceSummary>,
}

impl TraceState {
    /// Reads a row of [`STATE_COLUMNS`].
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> Result<Self> {
        let mut c = Columns::of(row);
        let id = c.int()?;
        Ok(Self {
            id,
            sealed: c.flag()?,
            first_received: c.time()?,
            last_received: c.time()?,
            records: c.count()?,
            contexts: c.int()?,
            leaves: c.count()?,
            covered: c.count()?,
            seals: c.int()?,
            root_received: c.time_or_null()?,
            first_span: c.text_or_null()?.map(super::span_id).transpose()?,
            key: TraceKey(c.bytes()?.to_vec()),
            summary: Arc::new(parse_summary(c.text()?)?),
        })
    }
}
