//! From the outbox to ClickHouse: by one node at a time, in the order of commits, as often as needed.
//!
//! A round reads a piece of the outbox, inserts it over there, and then removes exactly what it read, in
//! a transaction that checks the lease. A node that dies in between leaves the piece in the outbox, and
//! the next round inserts it again; rows are keyed and versioned, so that changes nothing (see
//! [`cells`](crate::cells) for sums). A node that lost the lease inserts rows that are old at worst.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clickhouse::Row;
use exhibit_store::rollup::{Cell, Key};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    cells::{self, CellRow, Deltas},
    commit::unsqueeze,
    failure::{Result, When},
    filter,
    row::Columns,
    store::Shared,
    trace::{Listed, SEAL, TRACE, TRACES_WITH_SEAL},
};

/// Traces of one round at most.
const TRACES: i64 = 5_000;
/// Payloads of one round at most: about 25 kB each, and as much of words.
const BLOCKS: i64 = 1_000;
/// Deltas of one round at most.
const DELTAS: i64 = 500;
/// Cells that are looked up in one statement.
const CELLS: usize = 2_000;
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// A row of `traces`.
#[derive(Debug, Row, Serialize, Deserialize)]
struct TraceRecord {
    workspace: i64,
    start: i64,
    trace: i64,
    trace_id: String,
    version: u64,
    gone: u8,
    ended: Option<i64>,
    duration: Option<i64>,
    status: u8,
    verdict: u8,
    cost: Option<i64>,
    tokens: u64,
    tokens_in: u64,
    tokens_out: u64,
    spans: u64,
    errors: u64,
    findings: u64,
    sealed: u8,
    kinds: Vec<u8>,
    cost_sources: Vec<u8>,
    session: Option<String>,
    end_user: Option<String>,
    facets: Vec<String>,
    folded: Vec<String>,
}

impl TraceRecord {
    fn of(workspace: i64, version: u64, listed: &Listed) -> Self {
        use exhibit_store::filter::CountField;
        let trace = &*listed.state.summary;
        let (facets, folded) = filter::facets(trace);
        Self {
            workspace,
            start: trace.start.0,
            trace: listed.state.id,
            trace_id: trace.trace_id.to_string(),
            version,
            gone: 0,
            ended: trace.end.map(|at| at.0),
            duration: trace.duration().map(|d| d.0),
            status: trace.status().code() as u8,
            verdict: trace.verdict.code() as u8,
            cost: trace.cost().map(|cost| cost.0),
            tokens: CountField::Tokens.of(trace),
            tokens_in: CountField::TokensIn.of(trace),
            tokens_out: CountField::TokensOut.of(trace),
            spans: trace.span_count,
            errors: trace.error_count,
            findings: trace.findings,
            sealed: u8::from(listed.seal.as_ref().is_some_and(|seal| !seal.partial)),
            kinds: trace.kinds.iter().map(|kind| kind.code() as u8).collect(),
            cost_sources: trace.cost_sources.iter().map(|source| source.code() as u8).collect(),
            session: trace.session.clone(),
            end_user: trace.user.clone(),
            facets,
            folded,
        }
    }

    /// What takes a row away.
    fn gone(workspace: i64, trace: i64, start: i64, version: u64) -> Self {
        Self {
            workspace,
            start,
            trace,
            trace_id: String::new(),
            version,
            gone: 1,
            ended: None,
            duration: None,
            status: 0,
            verdict: 0,
            cost: None,
            tokens: 0,
            tokens_in: 0,
            tokens_out: 0,
            spans: 0,
            errors: 0,
            findings: 0,
            sealed: 0,
            kinds: Vec::new(),
            cost_sources: Vec::new(),
            session: None,
            end_user: None,
            facets: Vec::new(),
            folded: Vec::new(),
        }
    }
}

/// A row of `blocks`.
#[derive(Debug, Row, Serialize, Deserialize)]
pub(crate) struct BlockRow {
    pub(crate) workspace: i64,
    pub(crate) trace: i64,
    pub(crate) id: i64,
    pub(crate) raw_bytes: u32,
    #[serde(with = "serde_bytes")]
    pub(crate) data: Vec<u8>,
}

/// A row of `texts`.
#[derive(Debug, Row, Serialize, Deserialize)]
struct TextRow {
    workspace: i64,
    trace: i64,
    id: i64,
    words: String,
}

/// Ships until it is told to stop.
pub(crate) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        let pause = if shared.leads() {
            match round(&shared).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => shared.options.ship_interval,
                Err(error) => {
                    tracing::warn!(%error, "what was committed waits in the outbox");
                    PAUSE
                }
            }
        } else {
            PAUSE
        };
        if pause.is_zero() {
            if *stop.borrow() {
                return;
            }
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

#[tracing::instrument(level = "debug", name = "clickhouse insert", skip_all, fields(table, rows = rows.len()))]
async fn insert<T>(shared: &Shared, table: &str, rows: &[T]) -> Result<()>
where
    T: clickhouse::RowOwned + clickhouse::RowWrite,
{
    if rows.is_empty() {
        return Ok(());
    }
    let doing = format!("shipping {table}");
    let mut insert = shared.clickhouse.insert::<T>(table).await.when(&doing)?;
    for row in rows {
        insert.write(row).await.when(&doing)?;
    }
    insert.end().await.when(&doing)
}

/// Ships a piece of everything; whether there may be more.
pub(crate) async fn round(shared: &Shared) -> Result<bool> {
    // One statement tells an idle system that it is idle.
    let client = shared.client().await?;
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM outbox_traces) OR EXISTS (SELECT FROM outbox_moved) \
             OR EXISTS (SELECT FROM outbox_blocks) OR EXISTS (SELECT FROM outbox_texts) \
             OR EXISTS (SELECT FROM outbox_deltas) OR EXISTS (SELECT FROM outbox_erased)",
            &[],
        )
        .await
        .when("looking into the outbox")?;
    drop(client);
    if !Columns::of(&row).next::<bool>()? {
        return Ok(false);
    }
    let traces = traces(shared).await?;
    let payloads = payloads(shared).await?;
    let deltas = deltas(shared).await?;
    let erased = erased(shared).await?;
    Ok(traces || payloads || deltas || erased)
}

async fn traces(shared: &Shared) -> Result<bool> {
    let doing = "reading changed traces";
    let client = shared.client().await?;
    let sql = format!(
        "SELECT o.workspace, o.changed, {TRACE}, {SEAL} FROM (SELECT * FROM outbox_traces \
         ORDER BY changed LIMIT $1) AS o JOIN {TRACES_WITH_SEAL} ON t.id = o.trace"
    );
    let rows = client.query(&sql, &[&TRACES]).await.when(doing)?;
    // After the rows, so that none of them arrives while the one it replaces stays.
    let moved = client
        .query("SELECT workspace, trace, start, changed FROM outbox_moved ORDER BY changed", &[])
        .await
        .when(doing)?;
    if rows.is_empty() && moved.is_empty() {
        return Ok(false);
    }
    let mut records = Vec::with_capacity(rows.len() + moved.len());
    let (mut moved_traces, mut moved_commits) = (Vec::new(), Vec::new());
    for row in &moved {
        let mut c = Columns::of(row);
        let (workspace, trace, start) = (c.next()?, c.next()?, c.next()?);
        let changed: i64 = c.next()?;
        // Below the version that a row under the same start gets from the same commit.
        let version = cells::sequence(changed)? * 2;
        records.push(TraceRecord::gone(workspace, trace, start, version));
        moved_traces.push(trace);
        moved_commits.push(changed);
    }
    let (mut ids, mut commits) = (Vec::new(), Vec::new());
    for row in &rows {
        let mut c = Columns::of(row);
        let (workspace, changed): (i64, i64) = (c.next()?, c.next()?);
        let listed = Listed::read(&mut c)?;
        ids.push(listed.state.id);
        commits.push(changed);
        records.push(TraceRecord::of(workspace, cells::sequence(changed)? * 2 + 1, &listed));
    }
    shared.step("ship traces")?;
    insert(shared, "traces", &records).await?;
    shared.step("record traces")?;
    record(
        shared,
        &[
            (
                "DELETE FROM outbox_traces AS o USING unnest($1::bigint[], $2::bigint[]) \
                 AS d (trace, changed) WHERE o.trace = d.trace AND o.changed = d.changed",
                &ids,
                Some(&commits),
            ),
            (
                "DELETE FROM outbox_moved AS o USING unnest($1::bigint[], $2::bigint[]) \
                 AS d (trace, changed) WHERE o.trace = d.trace AND o.changed = d.changed",
                &moved_traces,
                Some(&moved_commits),
            ),
        ],
    )
    .await?;
    Ok(true)
}

async fn payloads(shared: &Shared) -> Result<bool> {
    let doing = "reading payloads to be shipped";
    let client = shared.client().await?;
    let rows = client
        .query(
            "SELECT workspace, trace, id, raw_bytes, data FROM outbox_blocks ORDER BY id LIMIT $1",
            &[&BLOCKS],
        )
        .await
        .when(doing)?;
    let texts = client
        .query(
            "SELECT workspace, trace, id, text FROM outbox_texts ORDER BY id LIMIT $1",
            &[&BLOCKS],
        )
        .await
        .when(doing)?;
    if rows.is_empty() && texts.is_empty() {
        return Ok(false);
    }
    let mut blocks = Vec::with_capacity(rows.len());
    for row in &rows {
        blocks.push(read_block(row)?);
    }
    let words = tokio::task::spawn_blocking(move || {
        texts
            .iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok(TextRow {
                    workspace: c.next()?,
                    trace: c.next()?,
                    id: c.next()?,
                    words: filter::words(&unsqueeze(c.next()?)?),
                })
            })
            .collect::<Result<Vec<_>>>()
    })
    .await
    .map_err(|error| exhibit_store::StoreError::Failed(error.to_string()))??;
    shared.step("ship blocks")?;
    insert(shared, "blocks", &blocks).await?;
    shared.step("ship texts")?;
    insert(shared, "texts", &words).await?;
    shared.step("record payloads")?;
    let block_ids: Vec<i64> = blocks.iter().map(|block| block.id).collect();
    let text_ids: Vec<i64> = words.iter().map(|text| text.id).collect();
    record(
        shared,
        &[
            ("DELETE FROM outbox_blocks WHERE id = ANY($1)", &block_ids, None),
            ("DELETE FROM outbox_texts WHERE id = ANY($1)", &text_ids, None),
        ],
    )
    .await?;
    Ok(true)
}

/// Reads `workspace, trace, id, raw_bytes, data`.
pub(crate) fn read_block(row: &tokio_postgres::Row) -> Result<BlockRow> {
    let mut c = Columns::of(row);
    let (workspace, trace, id) = (c.next()?, c.next()?, c.next()?);
    let raw_bytes = u32::try_from(c.next::<i64>()?)
        .map_err(|_| crate::failure::corrupt("the length of a block"))?;
    Ok(BlockRow { workspace, trace, id, raw_bytes, data: c.next()? })
}

/// The deltas of a workspace that are in the outbox.
pub(crate) async fn read_deltas(
    db: &impl tokio_postgres::GenericClient,
    workspace: i64,
    limit: i64,
) -> Result<(Vec<i64>, Deltas)> {
    let rows = db
        .query(
            "SELECT sequence, cells FROM outbox_deltas WHERE workspace = $1 ORDER BY sequence \
             LIMIT $2",
            &[&workspace, &limit],
        )
        .await
        .when("reading rollup deltas")?;
    let mut sequences = Vec::with_capacity(rows.len());
    let mut deltas = Deltas::new();
    for row in &rows {
        let mut c = Columns::of(row);
        let sequence: i64 = c.next()?;
        sequences.push(sequence);
        for (key, cell) in cells::decode(c.next()?)? {
            deltas.entry(key).or_default().push((cells::sequence(sequence)?, cell));
        }
    }
    Ok((sequences, deltas))
}

async fn deltas(shared: &Shared) -> Result<bool> {
    let client = shared.client().await?;
    let spaces = client
        .query("SELECT DISTINCT workspace FROM outbox_deltas", &[])
        .await
        .when("reading rollup deltas")?;
    for row in &spaces {
        let workspace: i64 = Columns::of(row).next()?;
        let (sequences, deltas) = read_deltas(&**client, workspace, DELTAS).await?;
        let Some(last) = sequences.last() else { continue };
        let mut rows = Vec::with_capacity(deltas.len());
        let all: Vec<(Key, Vec<(u64, Cell)>)> = deltas.into_iter().collect();
        for some in all.chunks(CELLS) {
            let mut held = held_cells(shared, workspace, some).await?;
            for (key, added) in some {
                let (version, mut cell) = held.remove(key).unwrap_or_default();
                cells::settle(&mut cell, version, added);
                let last = cells::sequence(*last)?.max(version);
                rows.push(CellRow::of(workspace, key, last, &cell));
            }
        }
        shared.step("ship cells")?;
        insert(shared, "cells", &rows).await?;
        shared.step("record cells")?;
        let spaces = vec![workspace; sequences.len()];
        record(
            shared,
            &[(
                "DELETE FROM outbox_deltas AS o USING unnest($1::bigint[], $2::bigint[]) \
                 AS d (workspace, sequence) WHERE o.workspace = d.workspace \
                 AND o.sequence = d.sequence",
                &spaces,
                Some(&sequences),
            )],
        )
        .await?;
    }
    Ok(!spaces.is_empty())
}

/// What ClickHouse holds of these cells.
async fn held_cells(
    shared: &Shared,
    workspace: i64,
    keys: &[(Key, Vec<(u64, Cell)>)],
) -> Result<BTreeMap<Key, (u64, Cell)>> {
    let keys: Vec<String> = keys
        .iter()
        .map(|(key, _)| {
            format!(
                "({}, {}, {}, {}, {})",
                key.grain.code(),
                key.bucket_start,
                exhibit_store::rollup::dimension_code(key.dimension),
                u8::from(key.value.is_some()),
                filter::constant(key.value.as_deref().unwrap_or_default()),
            )
        })
        .collect();
    let sql = format!(
        "SELECT ?fields FROM cells FINAL WHERE workspace = {workspace} \
         AND (grain, bucket, dimension, valued, value) IN ({})",
        keys.join(", ")
    );
    let rows = shared.clickhouse.query(&sql).fetch_all::<CellRow>().await;
    rows.when("reading rollup cells")?
        .into_iter()
        .map(|row| row.read().map(|(key, version, cell)| (key, (version, cell))))
        .collect()
}

async fn erased(shared: &Shared) -> Result<bool> {
    let doing = "reading erased traces";
    let client = shared.client().await?;
    let rows = client
        .query("SELECT trace FROM outbox_erased ORDER BY trace LIMIT $1", &[&TRACES])
        .await
        .when(doing)?;
    let traces: Vec<i64> = rows.iter().map(|row| Columns::of(row).next()).collect::<Result<_>>()?;
    if traces.is_empty() {
        return Ok(false);
    }
    let list = traces.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    shared.step("ship erasure")?;
    for table in ["traces", "blocks", "texts"] {
        let sql = format!(
            "ALTER TABLE {table} DELETE WHERE trace IN ({list}) SETTINGS mutations_sync = 1"
        );
        shared.clickhouse.query(&sql).execute().await.when("erasing traces")?;
    }
    shared.step("record erasure")?;
    let sql = "DELETE FROM outbox_erased WHERE trace = ANY($1)";
    record(shared, &[(sql, &traces, None)]).await?;
    Ok(true)
}

/// A statement that removes rows, and their keys in one or two columns.
type Removal<'a> = (&'a str, &'a Vec<i64>, Option<&'a Vec<i64>>);

/// Removes what was shipped, if this node still leads.
async fn record(shared: &Shared, removals: &[Removal<'_>]) -> Result<()> {
    let doing = "recording what was shipped";
    let mut client = shared.client().await?;
    let db = client.transaction().await.when(doing)?;
    shared.check_lead(&db).await?;
    for (sql, first, second) in removals {
        if first.is_empty() {
            continue;
        }
        match second {
            Some(second) => db.execute(*sql, &[*first, *second]).await.when(doing)?,
            None => db.execute(*sql, &[*first]).await.when(doing)?,
        };
    }
    db.commit().await.when(doing)
}
