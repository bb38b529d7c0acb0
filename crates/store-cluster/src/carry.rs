//! Carrying over to another store and from one: the contract's [`Carry`].
//!
//! Traces are put by the statements of a commit and leave through the outbox as any other, so a node that
//! dies in between loses nothing. A cluster that was moved away refuses every commit from then on by a
//! trigger: nodes that still run cannot write beside it.

mod rows;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use clickhouse::Row;
use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{
    StoreError,
    carry::{
        CarriedBlock, CarriedRevision, CarriedSpan, CarriedTrace, Carry, MOVED, Stamp, Table, Value,
    },
    rollup::{Cell, Key},
};
use serde::{Deserialize, Serialize};

use crate::{
    ClusterStore, cells,
    commit::{self, numbers},
    failure::{Result, When, corrupt},
    open,
    row::{Columns, most, span_id},
    ship::read_block,
    store::one_view,
    trace::{REVISION, Revision, SEAL, SUPERSEDED, TRACE, TraceState, read_seal, read_superseded},
};

/// Payloads in the outbox above which the next traces wait.
const WAITING_BLOCKS: i64 = 20_000;
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a freeze waits for commits that are under way.
const FREEZE: &str = "SET lock_timeout = '10s'";

/// A connection whose transaction holds the logs.
#[derive(Debug)]
pub(crate) struct Frozen {
    client: tokio_postgres::Client,
    driving: tokio::task::JoinHandle<()>,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// A block as it is kept over there.
#[derive(Debug, Row, Serialize, Deserialize)]
struct KeptBlock {
    trace: i64,
    id: i64,
    raw_bytes: u32,
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
}

#[async_trait]
impl Carry for ClusterStore {
    async fn rows(
        &self,
        table: &'static Table,
        after: Option<Vec<Value>>,
        limit: usize,
        whole: bool,
    ) -> Result<Vec<Vec<Value>>> {
        let client = self.client().await?;
        rows::read(&**client, table, after.as_deref(), limit, whole).await
    }

    async fn stamps(&self, after: i64, limit: usize) -> Result<Vec<Stamp>> {
        let doing = "reading what has changed";
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT id, last_received, records, leaves, covered, seals FROM traces \
                 WHERE id > $1 ORDER BY id LIMIT $2",
                &[&after, &most(limit)],
            )
            .await
            .when(doing)?;
        let read = |row: &tokio_postgres::Row| {
            let mut c = Columns::of(row);
            Ok(Stamp {
                number: c.next()?,
                last_received: c.next()?,
                records: c.next()?,
                leaves: c.next()?,
                covered: c.next()?,
                seals: c.next()?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn carried(&self, wanted: &[i64]) -> Result<Vec<CarriedTrace>> {
        let mut traces = self.carried_rows(wanted).await?;
        self.carried_blocks(&mut traces).await?;
        let mut by_number: HashMap<i64, CarriedTrace> =
            traces.into_iter().map(|trace| (trace.number, trace)).collect();
        Ok(wanted.iter().filter_map(|number| by_number.remove(number)).collect())
    }

    async fn last_number(&self) -> Result<i64> {
        let client = self.client().await?;
        let row = client.query_one("SELECT last_value FROM numbers", &[]).await;
        Columns::of(&row.when("reading the last number")?).next()
    }

    async fn put_rows(
        &self,
        table: &'static Table,
        rows: Vec<Vec<Value>>,
        gone: Vec<Vec<Value>>,
    ) -> Result<()> {
        let doing = "writing a table that is carried over";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        self.check_lead(&db).await?;
        rows::write(&*db, table, &rows, &gone).await?;
        db.commit().await.when(doing)
    }

    async fn put_traces(&self, traces: Vec<CarriedTrace>, gone: Vec<i64>) -> Result<()> {
        let doing = "writing traces that are carried over";
        let mut client = self.client().await?;
        // What is carried over faster than it is shipped would fill PostgreSQL's disk.
        let waiting = "SELECT count(*) FROM (SELECT FROM outbox_blocks LIMIT $1) AS waiting";
        loop {
            let row = client.query_one(waiting, &[&(WAITING_BLOCKS + 1)]).await.when(doing)?;
            if Columns::of(&row).next::<i64>()? <= WAITING_BLOCKS {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let db = client.transaction().await.when(doing)?;
        self.check_lead(&db).await?;
        commit::put_carried(&db, &self.shared, traces, &gone).await?;
        db.commit().await.when(doing)
    }

    async fn add_cells(&self, workspace: WorkspaceId, added: Vec<(Key, Cell)>) -> Result<()> {
        let doing = "writing rollups that are carried over";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        self.check_lead(&db).await?;
        let sequence = numbers(&db, 1).await?.first().copied().unwrap_or_default();
        db.execute(
            "INSERT INTO outbox_deltas (workspace, sequence, cells) VALUES ($1, $2, $3)",
            &[&workspace.0, &sequence, &cells::encode(&added)],
        )
        .await
        .when(doing)?;
        db.commit().await.when(doing)
    }

    async fn go_on_after(&self, number: i64) -> Result<()> {
        let doing = "setting the next numbers";
        let client = self.client().await?;
        client
            .query(
                "SELECT setval('numbers', greatest($1::bigint, (SELECT last_value FROM numbers), \
                 (SELECT coalesce(max(id), 1) FROM traces), \
                 (SELECT coalesce(max(block), 1) FROM spans)))",
                &[&number],
            )
            .await
            .when(doing)?;
        for (table, column) in rows::GENERATED {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), \
                 (SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
            );
            client.query(&sql, &[]).await.when(doing)?;
        }
        Ok(())
    }

    async fn freeze(&self) -> Result<()> {
        let doing = "stopping writes";
        let (client, connection) = open::connect(&self.shared.options)
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let driving = tokio::spawn(async move {
            let _ = connection.await;
        });
        let frozen = Frozen { client, driving };
        frozen.client.batch_execute(FREEZE).await.when(doing)?;
        // Commits lock the row of a log, which this does not let them; reads go on.
        frozen
            .client
            .batch_execute("BEGIN; LOCK TABLE logs, settings IN EXCLUSIVE MODE")
            .await
            .when(doing)?;
        *self.shared.frozen.lock() = Some(frozen);
        Ok(())
    }

    async fn thaw(&self, moved: Option<&str>) -> Result<()> {
        let doing = "letting writes go on";
        let Some(frozen) = self.shared.frozen.lock().take() else { return Ok(()) };
        let Some(moved) = moved else {
            return frozen.client.batch_execute("ROLLBACK").await.when(doing);
        };
        let doing = "marking the cluster as moved";
        frozen
            .client
            .execute(
                "INSERT INTO settings (name, value) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                &[&MOVED, &moved.as_bytes()],
            )
            .await
            .when(doing)?;
        frozen.client.batch_execute(REFUSE).await.when(doing)?;
        frozen.client.batch_execute("COMMIT").await.when(doing)
    }
}

/// Refuses every commit, as a database that is being shut down does: callers are asked to come again, by
/// then to another address.
const REFUSE: &str = "CREATE OR REPLACE FUNCTION exhibit_moved() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN RAISE EXCEPTION 'this cluster was moved' USING ERRCODE = '57P03'; END $$; \
     DROP TRIGGER IF EXISTS moved ON logs; \
     CREATE TRIGGER moved BEFORE INSERT OR UPDATE ON logs EXECUTE FUNCTION exhibit_moved()";

impl ClusterStore {
    /// What PostgreSQL keeps of traces, in one view.
    async fn carried_rows(&self, wanted: &[i64]) -> Result<Vec<CarriedTrace>> {
        let doing = "reading traces to carry them over";
        let mut client = self.client().await?;
        let db = one_view(&mut client, doing).await?;
        let mut traces: HashMap<i64, CarriedTrace> = HashMap::new();
        let sql = format!("SELECT t.workspace, {TRACE} FROM traces AS t WHERE t.id = ANY($1)");
        for row in db.query(&sql, &[&wanted]).await.when(doing)? {
            let mut c = Columns::of(&row);
            let workspace = WorkspaceId(c.next()?);
            let state = TraceState::read(&mut c)?;
            traces.insert(state.id, begin(workspace, state));
        }
        let sql = format!(
            "SELECT p.trace, p.received, {REVISION} FROM spans AS p WHERE p.trace = ANY($1) \
             ORDER BY p.trace, p.span_id"
        );
        for row in db.query(&sql, &[&wanted]).await.when(doing)? {
            let mut c = Columns::of(&row);
            let trace: i64 = c.next()?;
            let received = c.next::<Option<i64>>()?.map(Nanos);
            let span = Revision::read(&mut c)?;
            if let Some(trace) = traces.get_mut(&trace) {
                trace.spans.push(carried_span(span, received));
            }
        }
        let sql = format!(
            "SELECT p.trace, p.span_id, {SUPERSEDED} FROM superseded AS p \
             WHERE p.trace = ANY($1) ORDER BY p.trace, p.leaf"
        );
        for row in db.query(&sql, &[&wanted]).await.when(doing)? {
            let mut c = Columns::of(&row);
            let trace: i64 = c.next()?;
            let span_id = span_id(c.next()?)?;
            let (stored, place) = read_superseded(&mut c)?;
            if let Some(trace) = traces.get_mut(&trace) {
                trace.superseded.push(CarriedRevision {
                    span_id,
                    record: stored.record,
                    digest: stored.digest,
                    block: place.block,
                    offset: place.offset,
                    lengths: place.lengths,
                    leaf: stored.index.zip(stored.leaf_hash),
                });
            }
        }
        let sql = format!(
            "SELECT s.trace, {SEAL} FROM seals AS s WHERE s.trace = ANY($1) \
             ORDER BY s.trace, s.number"
        );
        for row in db.query(&sql, &[&wanted]).await.when(doing)? {
            let mut c = Columns::of(&row);
            if let Some(trace) = traces.get_mut(&c.next()?) {
                trace.seals.push(read_seal(&mut c)?);
            }
        }
        // A block leaves the outbox only after it has arrived over there, where is looked later.
        let sql = "SELECT workspace, trace, id, raw_bytes, data FROM outbox_blocks \
                   WHERE trace = ANY($1)";
        for row in db.query(sql, &[&wanted]).await.when(doing)? {
            let block = read_block(&row)?;
            if let Some(trace) = traces.get_mut(&block.trace) {
                let (id, raw_bytes) = (block.id, block.raw_bytes);
                trace.blocks.push(CarriedBlock { id, raw_bytes, data: block.data });
            }
        }
        Ok(traces.into_values().collect())
    }

    /// Adds what was shipped of their payloads.
    async fn carried_blocks(&self, traces: &mut [CarriedTrace]) -> Result<()> {
        let mut of: HashMap<i64, Vec<String>> = HashMap::new();
        let mut places = HashMap::new();
        for (place, trace) in traces.iter().enumerate() {
            of.entry(trace.workspace.0).or_default().push(trace.number.to_string());
            places.insert(trace.number, place);
        }
        for (workspace, numbers) in of {
            for some in numbers.chunks(1_000) {
                let sql = format!(
                    "SELECT ?fields FROM blocks WHERE workspace = {workspace} AND trace IN ({})",
                    some.join(", ")
                );
                let rows = self.shared.clickhouse.query(&sql).fetch_all::<KeptBlock>().await;
                for block in rows.when("reading payloads to carry them over")? {
                    let trace = places.get(&block.trace).and_then(|place| traces.get_mut(*place));
                    let Some(trace) = trace else { continue };
                    if trace.blocks.iter().all(|held| held.id != block.id) {
                        let KeptBlock { id, raw_bytes, data, .. } = block;
                        trace.blocks.push(CarriedBlock { id, raw_bytes, data });
                    }
                }
            }
        }
        for trace in traces {
            trace.blocks.sort_unstable_by_key(|block| block.id);
            let revisions = trace.spans.iter().map(|span| &span.revision);
            for revision in revisions.chain(&trace.superseded) {
                if trace.blocks.binary_search_by_key(&revision.block, |block| block.id).is_err() {
                    return Err(corrupt(format!("no block {}", revision.block)));
                }
            }
        }
        Ok(())
    }
}

fn begin(workspace: WorkspaceId, state: TraceState) -> CarriedTrace {
    CarriedTrace {
        number: state.id,
        workspace,
        summary: Arc::unwrap_or_clone(state.summary),
        first_received: state.first_received,
        last_received: state.last_received,
        root_received: state.root_received,
        first_span: state.first_span,
        key: state.key,
        records: state.records,
        leaves: state.leaves,
        covered: state.covered,
        spans: Vec::new(),
        superseded: Vec::new(),
        seals: Vec::new(),
        blocks: Vec::new(),
    }
}

fn carried_span(span: Revision, received: Option<Nanos>) -> CarriedSpan {
    CarriedSpan {
        received,
        counted: span.counted,
        revision: CarriedRevision {
            span_id: span.head.span_id.clone(),
            record: span.record,
            digest: span.digest,
            block: span.place.block,
            offset: span.place.offset,
            lengths: span.place.lengths,
            leaf: span.leaf,
        },
        head: span.head,
    }
}
