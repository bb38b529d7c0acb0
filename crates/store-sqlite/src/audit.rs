//! Reads for verification: the contract's [`AuditStore`].

mod columns;

use async_trait::async_trait;
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{
    AuditStore, AuditTrace, Findable, Page, StoreError, StoredAct, StoredSpan,
    rollup::{Cell, Key},
};
use rusqlite::Connection;

use crate::{
    SqliteStore,
    cursor::{self, List, Place},
    failure::{Result, SqlContext},
    read::{spans::read_superseded, traces},
    rollup::{decode, read_key, split_key, take_cell},
    row::{
        Columns,
        context::Contexts,
        payload::Payloads,
        span::{COLUMNS, Revision},
        trace::{LISTED_COLUMNS, ListedTrace, seals},
    },
    search::find,
    writer::rollup::read_deltas,
};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn audit_traces(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
        bodies: bool,
    ) -> Result<Page<AuditTrace>> {
        let sources = bodies.then(|| self.options.payloads.clone());
        self.pool
            .audit(move |db| {
                let payloads = sources.as_ref().map(|sources| Payloads::new(db, sources));
                page(db, workspace, after.as_ref(), limit, payloads)
            })
            .await
    }

    async fn audit_trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<AuditTrace>> {
        let (trace, sources) = (trace.clone(), self.options.payloads.clone());
        self.pool
            .audit(move |db| {
                let Some((id, row)) = traces::trace(db, workspace, &trace)? else {
                    return Ok(None);
                };
                let mut payloads = Payloads::new(db, &sources);
                audited(db, workspace, id, row, Some(&mut payloads)).map(Some)
            })
            .await
    }

    async fn audit_size(&self, workspace: WorkspaceId) -> Result<u64> {
        self.pool
            .read(move |db| {
                let size: i64 = db
                    .prepare_cached("SELECT total(records) FROM traces WHERE workspace = ?1")
                    .and_then(|mut s| s.query_row([workspace.0], |row| row.get::<_, f64>(0)))
                    .when("counting spans")? as i64;
                Ok(size.max(0) as u64)
            })
            .await
    }

    async fn audit_rollups(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<(Key, Cell)>> {
        self.pool.audit(move |db| rollups(db, workspace, after.as_ref(), limit)).await
    }

    async fn audit_acts(
        &self,
        workspace: WorkspaceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredAct>> {
        self.pool
            .audit(move |db| {
                let doing = "reading acts of administration";
                let mut statement = db
                    .prepare_cached(
                        "SELECT leaf, body FROM acts WHERE log = ?1 AND leaf >= ?2 \
                         ORDER BY leaf LIMIT ?3",
                    )
                    .when(doing)?;
                let mut rows = statement
                    .query((workspace.0, from as i64, i64::try_from(limit).unwrap_or(i64::MAX)))
                    .when(doing)?;
                let mut acts = Vec::new();
                while let Some(row) = rows.next().when(doing)? {
                    let mut c = Columns::of(row);
                    acts.push(StoredAct { index: c.count()?, body: c.bytes()?.to_vec() });
                }
                Ok(acts)
            })
            .await
    }

    async fn audit_search(
        &self,
        workspace: WorkspaceId,
        traces: &[Findable],
    ) -> Result<Vec<TraceId>> {
        let Some(search) = self.search.clone() else {
            return Err(find::SEARCH_OFF);
        };
        let asked = traces.to_vec();
        // Before anything is looked up: what is indexed meanwhile is not missed.
        let watermark = search.watermark();
        self.pool
            .audit(move |db| {
                let mut missing = Vec::new();
                for Findable { trace, text, settled } in asked {
                    let lacks = match traces::number(db, workspace, &trace)? {
                        Some(number) => {
                            !find::has_words(&search, workspace.0, number, &text)?
                                && (settled || !is_behind(db, number, watermark)?)
                        }
                        None => true,
                    };
                    if lacks {
                        missing.push(trace);
                    }
                }
                Ok(missing)
            })
            .await
    }
}

/// Whether a block of a trace came after the last one that the index holds.
fn is_behind(db: &Connection, trace: i64, watermark: i64) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM blocks WHERE id > ?1 AND trace = ?2)")
        .and_then(|mut s| s.query_row((watermark, trace), |row| row.get(0)))
        .when("reading the last blocks of a trace")
}

/// A page of traces in the order of their numbers.
fn page(
    db: &Connection,
    workspace: WorkspaceId,
    after: Option<&String>,
    limit: usize,
    mut payloads: Option<Payloads<'_>>,
) -> Result<Page<AuditTrace>> {
    let doing = "reading traces to verify";
    let after: Option<Place<i64>> = cursor::read(List::AuditTraces, after)?;
    // By number: records lie in this order on disk.
    let sql = format!(
        "SELECT t.trace_id, {LISTED_COLUMNS} FROM traces AS t INDEXED BY traces_by_workspace \
         WHERE t.id > ?1 AND t.workspace = ?2 ORDER BY t.id"
    );
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut rows =
        statement.query((after.map_or(i64::MIN, |place| place.tie), workspace.0)).when(doing)?;
    let mut found = Vec::new();
    let mut last = None;
    let mut next = None;
    while let Some(row) = rows.next().when(doing)? {
        if found.len() == limit {
            next = last.map(|tie| cursor::write(List::AuditTraces, &Place { start: 0, tie }));
            break;
        }
        let trace = Columns::of(row).text()?;
        let mut read = || -> Result<(i64, AuditTrace)> {
            let listed = ListedTrace::read(row, 1)?.with_seal(db)?;
            Ok((listed.id, audited(db, workspace, listed.id, listed.row, payloads.as_mut())?))
        };
        let (id, audited) = read().map_err(|error| named("trace", trace, error))?;
        last = Some(id);
        found.push(audited);
    }
    Ok(Page { rows: found, next })
}

/// Says where something stands that does not read, for whoever has to find it.
fn named(what: &str, id: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{what} {id}: {why}")),
        other => other,
    }
}

/// One trace with all its records.
fn audited(
    db: &Connection,
    workspace: WorkspaceId,
    id: i64,
    row: exhibit_store::TraceRow,
    mut payloads: Option<&mut Payloads<'_>>,
) -> Result<AuditTrace> {
    let doing = "reading records to verify";
    let contexts = Contexts::load(db, id)?;
    let sql = format!("SELECT {COLUMNS} FROM spans WHERE trace = ?1");
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut found = statement.query([id]).when(doing)?;
    let mut lost = Vec::new();
    let mut spans = Vec::with_capacity(row.summary.span_count.min(4_096) as usize);
    let mut lengths = Vec::with_capacity(spans.capacity());
    while let Some(span) = found.next().when(doing)? {
        let mut read = || -> Result<_> {
            let revision = Revision::read(span, &row.summary.trace_id, &contexts)?;
            let parts = read_parts(payloads.as_deref_mut(), &revision.place, &mut lost)?;
            Ok((revision, parts))
        };
        let (revision, parts) = read()
            .map_err(|error| named("span", Columns::of(span).text().unwrap_or_default(), error))?;
        lengths.push(revision.place.lengths);
        let stored = revision.stored(parts);
        spans.push((revision.into_row(), stored));
    }
    let mut statement = db
        .prepare_cached(
            "SELECT span_id, record, digest, block, offset, lengths, leaf, leaf_hash \
             FROM superseded WHERE trace = ?1 ORDER BY leaf",
        )
        .when(doing)?;
    let mut found = statement.query([id]).when(doing)?;
    let mut superseded = Vec::new();
    while let Some(old) = found.next().when(doing)? {
        let mut columns = Columns::of(old);
        let span = crate::row::span_id(columns.text()?)?;
        let (stored, place) = read_superseded(&mut columns)?;
        let parts = read_parts(payloads.as_deref_mut(), &place, &mut lost)?;
        superseded.push((span, StoredSpan { parts, ..stored }));
    }
    let first_span: Option<String> = db
        .prepare_cached("SELECT first_span FROM traces WHERE id = ?1")
        .and_then(|mut s| s.query_row([id], |row| row.get(0)))
        .when(doing)?;
    let first_span = first_span.as_deref().map(crate::row::span_id).transpose()?;
    let differing = columns::differing(db, workspace, id, &row)?;
    Ok(AuditTrace {
        row,
        spans,
        lengths,
        superseded,
        first_span,
        seals: seals(db, id, 0)?,
        differing,
        lost,
    })
}

/// The parts of a record; none where an archive has lost them.
fn read_parts(
    payloads: Option<&mut Payloads<'_>>,
    place: &crate::row::span::Place,
    lost: &mut Vec<(String, bool)>,
) -> Result<[Vec<u8>; 5]> {
    let Some(payloads) = payloads else { return Ok(Default::default()) };
    match payloads.parts(place) {
        Err(StoreError::Lost { object, missing }) => {
            if !lost.iter().any(|(known, _)| *known == object) {
                lost.push((object, missing));
            }
            Ok(Default::default())
        }
        read => read,
    }
}

/// A page of cells in key order: chunks and waiting deltas added up.
fn rollups(
    db: &Connection,
    workspace: WorkspaceId,
    after: Option<&String>,
    limit: usize,
) -> Result<Page<(Key, Cell)>> {
    let after: Option<Place<Vec<u8>>> = cursor::read(List::AuditRollups, after)?;
    let after = after.map(|place| place.tie);
    let deltas = read_deltas(db, workspace.0)?;
    let start = after.clone().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let mut waiting = deltas.range((start, std::ops::Bound::Unbounded)).peekable();
    let mut out = CellPage { rows: Vec::new(), last: Vec::new(), limit, more: false };

    chunk_cells(db, workspace, after.as_deref(), |key, cell| {
        while let Some((before, cell)) = waiting.next_if(|(k, _)| k.as_slice() < key) {
            if !out.push(before, cell.clone())? {
                return Ok(false);
            }
        }
        let mut cell = decode(cell)?;
        if let Some((_, delta)) = waiting.next_if(|(k, _)| k.as_slice() == key) {
            cell.add(delta);
        }
        out.push(key, cell)
    })?;
    for (key, cell) in waiting {
        if out.more || !out.push(key, cell.clone())? {
            break;
        }
    }
    let next = out
        .more
        .then(|| cursor::write(List::AuditRollups, &Place { start: 0, tie: out.last.clone() }));
    Ok(Page { rows: out.rows, next })
}

struct CellPage {
    rows: Vec<(Key, Cell)>,
    last: Vec<u8>,
    limit: usize,
    more: bool,
}

impl CellPage {
    /// Adds a cell that is not zero; whether there is room for another.
    fn push(&mut self, key: &[u8], cell: Cell) -> Result<bool> {
        if cell.is_zero() {
            return Ok(true);
        }
        if self.rows.len() == self.limit {
            self.more = true;
            return Ok(false);
        }
        let (grain, bucket, place) = split_key(key)?;
        self.rows.push((read_key(grain, bucket, place)?, cell));
        self.last = key.to_vec();
        Ok(true)
    }
}

/// Visits the cells of the chunks after a key, in key order, until the visitor has enough.
fn chunk_cells(
    db: &Connection,
    workspace: WorkspaceId,
    after: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool>,
) -> Result<()> {
    let doing = "reading rollups to verify";
    let (grain, bucket) = match after {
        Some(key) => {
            let (grain, bucket, _) = split_key(key).map_err(|_| StoreError::Cursor)?;
            (grain.code(), bucket)
        }
        None => (0, i64::MIN),
    };
    let mut statement = db
        .prepare_cached(
            "SELECT grain, bucket, cells FROM rollups WHERE workspace = ?1 \
             AND (grain, bucket) >= (?2, ?3) ORDER BY grain, bucket, first",
        )
        .when(doing)?;
    let mut rows = statement.query((workspace.0, grain, bucket)).when(doing)?;
    let mut key = Vec::new();
    while let Some(row) = rows.next().when(doing)? {
        let mut c = Columns::of(row);
        let grain = c.int()?;
        let bucket = c.int()?;
        let mut rest = c.bytes()?;
        while let Some((place, cell)) = take_cell(&mut rest)? {
            crate::rollup::put_key(&mut key, grain, bucket, place);
            if after.is_some_and(|after| key.as_slice() <= after) {
                continue;
            }
            if !visit(&key, cell)? {
                return Ok(());
            }
        }
    }
    Ok(())
}
