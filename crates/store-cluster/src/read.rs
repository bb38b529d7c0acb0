//! Reads of traces and spans: the contract's [`SpanStore`].
//!
//! What a single trace is made of comes from PostgreSQL, so it is seen as soon as it is committed; its
//! payloads come from the outbox or, once shipped, from ClickHouse. Lists, sums and search ask
//! ClickHouse, and put what is in the outbox over the answer (`list`, `analytics`).

use std::collections::HashMap;

use async_trait::async_trait;
use clickhouse::Row;
use exhibit_model::{Nanos, SpanId, TraceId, WorkspaceId};
use exhibit_store::{
    Analytics, AnalyticsQuery, Batch, CommitError, Committed, Due, DueSpan, LogId, Page, Sealed,
    SessionSummary, SpanRow, SpanStore, SpanWindow, StoreError, StoredSeal, StoredSpan, TraceKey,
    TraceQuery, TraceRow, rollup::Plan,
};
use serde::{Deserialize, Serialize};

use crate::{
    ClusterStore,
    cells::{self, CellRow},
    cursor::{self, List},
    failure::{Result, When, corrupt},
    row::{Columns, most, span_id, trace_id},
    ship::{read_block, read_deltas},
    trace::{
        Listed, Place, REVISION, Revision, SEAL, SUPERSEDED, TRACE, TRACES_WITH_SEAL, read_seal,
        read_superseded,
    },
};

/// Raw bytes of blocks by their number.
pub(crate) type Blocks = HashMap<i64, Vec<u8>>;

/// Largest block that is unpacked, bytes.
const BLOCK_MAX: u32 = 1 << 28;

#[derive(Debug, Row, Serialize, Deserialize)]
struct StoredBlock {
    id: i64,
    raw_bytes: u32,
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
}

/// The raw bytes of a block.
pub(crate) fn unpack(id: i64, raw_bytes: u32, data: &[u8]) -> Result<Vec<u8>> {
    if raw_bytes == 0 {
        return Ok(Vec::new());
    }
    let raw = (raw_bytes <= BLOCK_MAX).then(|| zstd::bulk::decompress(data, raw_bytes as usize));
    raw.and_then(std::result::Result::ok).ok_or_else(|| corrupt(format!("block {id}")))
}

impl ClusterStore {
    /// The raw bytes of blocks, from wherever they are.
    pub(crate) async fn blocks(
        &self,
        workspace: WorkspaceId,
        wanted: &[(i64, i64)],
    ) -> Result<Blocks> {
        let doing = "reading payloads";
        let mut blocks = Blocks::with_capacity(wanted.len());
        if wanted.is_empty() {
            return Ok(blocks);
        }
        let ids: Vec<i64> = wanted.iter().map(|(_, id)| *id).collect();
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT workspace, trace, id, raw_bytes, data FROM outbox_blocks \
                 WHERE id = ANY($1) AND workspace = $2",
                &[&ids, &workspace.0],
            )
            .await
            .when(doing)?;
        drop(client);
        for row in &rows {
            let block = read_block(row)?;
            blocks.insert(block.id, unpack(block.id, block.raw_bytes, &block.data)?);
        }
        // A block leaves the outbox only after it has arrived over there.
        let mut rest: Vec<String> = wanted
            .iter()
            .filter(|(_, id)| !blocks.contains_key(id))
            .map(|(trace, id)| format!("({trace}, {id})"))
            .collect();
        rest.sort_unstable();
        rest.dedup();
        for some in rest.chunks(1_000) {
            let sql = format!(
                "SELECT ?fields FROM blocks WHERE workspace = {} AND (trace, id) IN ({})",
                workspace.0,
                some.join(", ")
            );
            let rows = self.shared.clickhouse.query(&sql).fetch_all::<StoredBlock>().await;
            for block in rows.when(doing)? {
                blocks.insert(block.id, unpack(block.id, block.raw_bytes, &block.data)?);
            }
        }
        Ok(blocks)
    }

    /// The number of a trace.
    async fn number(&self, workspace: WorkspaceId, trace: &TraceId) -> Result<Option<i64>> {
        let client = self.client().await?;
        let sql = "SELECT id FROM traces WHERE workspace = $1 AND trace_id = $2";
        let row = client.query_opt(sql, &[&workspace.0, &trace.as_str()]).await;
        row.when("looking for a trace")?.map(|row| Columns::of(&row).next()).transpose()
    }

    /// A trace with its latest seal.
    pub(crate) async fn listed(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<Listed>> {
        let client = self.client().await?;
        let sql = format!(
            "SELECT {TRACE}, {SEAL} FROM {TRACES_WITH_SEAL} \
             WHERE t.workspace = $1 AND t.trace_id = $2"
        );
        let row = client.query_opt(&sql, &[&workspace.0, &trace.as_str()]).await;
        row.when("reading a trace")?.map(|row| Listed::read(&mut Columns::of(&row))).transpose()
    }
}

/// The bytes of a place.
pub(crate) fn parts(blocks: &Blocks, place: Place) -> Result<[Vec<u8>; 5]> {
    let raw =
        blocks.get(&place.block).ok_or_else(|| corrupt(format!("no block {}", place.block)))?;
    place.parts(raw)
}

#[async_trait]
impl SpanStore for ClusterStore {
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.queue.commit(batch).await
    }

    async fn load(
        &self,
        workspace: WorkspaceId,
        ids: &[(TraceId, SpanId)],
    ) -> Result<Vec<Option<StoredSpan>>> {
        let (traces, spans): (Vec<&str>, Vec<&str>) =
            ids.iter().map(|(trace, span)| (trace.as_str(), span.as_str())).unzip();
        let sql = format!(
            "SELECT w.place, t.id, {REVISION} FROM unnest($2::text[], $3::text[]) \
             WITH ORDINALITY AS w (trace_id, span_id, place) \
             JOIN traces AS t ON t.workspace = $1 AND t.trace_id = w.trace_id \
             JOIN spans AS p ON p.trace = t.id AND p.span_id = w.span_id"
        );
        let client = self.client().await?;
        let statement = client.prepare_cached(&sql).await.when("reading spans")?;
        let rows = client.query(&statement, &[&workspace.0, &traces, &spans]).await;
        let rows = rows.when("reading spans")?;
        drop(client);
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut c = Columns::of(row);
            let (place, trace): (i64, i64) = (c.next()?, c.next()?);
            found.push((place, trace, Revision::read(&mut c)?));
        }
        let wanted: Vec<_> = found.iter().map(|(_, trace, r)| (*trace, r.place.block)).collect();
        let blocks = self.blocks(workspace, &wanted).await?;
        let mut answer = vec![None; ids.len()];
        for (place, _, revision) in found {
            let at = usize::try_from(place).unwrap_or(0).wrapping_sub(1);
            if let Some(slot) = answer.get_mut(at) {
                *slot = Some(revision.stored(parts(&blocks, revision.place)?));
            }
        }
        Ok(answer)
    }

    async fn trace_keys(
        &self,
        workspace: WorkspaceId,
        traces: &[TraceId],
    ) -> Result<Vec<Option<TraceKey>>> {
        let wanted: Vec<&str> = traces.iter().map(TraceId::as_str).collect();
        let client = self.client().await?;
        let sql = "SELECT t.key FROM unnest($2::text[]) WITH ORDINALITY AS w (trace_id, place) \
                   LEFT JOIN traces AS t ON t.workspace = $1 AND t.trace_id = w.trace_id \
                   ORDER BY w.place";
        let statement = client.prepare_cached(sql).await.when("reading keys of traces")?;
        let rows = client.query(&statement, &[&workspace.0, &wanted]).await;
        let read = |row: &tokio_postgres::Row| {
            Ok(Columns::of(row).next::<Option<Vec<u8>>>()?.map(TraceKey))
        };
        rows.when("reading keys of traces")?.iter().map(read).collect()
    }

    async fn trace(&self, workspace: WorkspaceId, trace: &TraceId) -> Result<Option<TraceRow>> {
        let Some(listed) = self.listed(workspace, trace).await? else { return Ok(None) };
        let mut rows = [listed.row()];
        self.add_reviews(workspace, &mut rows).await?;
        Ok(rows.into_iter().next())
    }

    async fn traces(&self, workspace: WorkspaceId, query: &TraceQuery) -> Result<Page<TraceRow>> {
        self.list_traces(workspace, query).await
    }

    async fn spans(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        window: &SpanWindow,
    ) -> Result<Page<SpanRow>> {
        let after: Option<(i64, String)> = cursor::read(List::Spans, window.after.as_ref())?;
        let Some(number) = self.number(workspace, trace).await? else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        let (start, id) = after.unwrap_or((i64::MIN, String::new()));
        let parent = window.parent.as_ref().map(SpanId::as_str);
        let sql = format!(
            "SELECT {REVISION} FROM spans AS p WHERE p.trace = $1 AND p.span_id <> '~' \
             AND (p.start, p.span_id) > ($2, $3) AND ($4::text IS NULL OR p.parent = $4) \
             ORDER BY p.start, p.span_id LIMIT $5"
        );
        let client = self.client().await?;
        let limit = most(window.limit.saturating_add(1));
        let rows = client.query(&sql, &[&number, &start, &id, &parent, &limit]).await;
        let mut rows: Vec<SpanRow> = rows
            .when("reading the spans of a trace")?
            .iter()
            .map(|row| Ok(Revision::read(&mut Columns::of(row))?.row()))
            .collect::<Result<_>>()?;
        let more = rows.len() > window.limit;
        rows.truncate(window.limit);
        let next = rows.last().filter(|_| more).and_then(|row| {
            cursor::write(List::Spans, &(row.head.start.0, row.head.span_id.as_str()))
        });
        Ok(Page { rows, next })
    }

    async fn superseded(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Vec<StoredSpan>> {
        let Some(number) = self.number(workspace, trace).await? else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {SUPERSEDED} FROM superseded AS p WHERE p.trace = $1 AND p.span_id = $2 \
             ORDER BY p.leaf"
        );
        let client = self.client().await?;
        let rows = client.query(&sql, &[&number, &span.as_str()]).await;
        let rows = rows.when("reading superseded revisions")?;
        drop(client);
        let found: Vec<_> =
            rows.iter().map(|row| read_superseded(&mut Columns::of(row))).collect::<Result<_>>()?;
        let wanted: Vec<_> = found.iter().map(|(_, place)| (number, place.block)).collect();
        let blocks = self.blocks(workspace, &wanted).await?;
        let whole = |(stored, place): (StoredSpan, Place)| {
            Ok(StoredSpan { parts: parts(&blocks, place)?, ..stored })
        };
        found.into_iter().map(whole).collect()
    }

    async fn sessions(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<SessionSummary>> {
        self.list_sessions(workspace, query).await
    }

    async fn analytics(&self, workspace: WorkspaceId, query: &AnalyticsQuery) -> Result<Analytics> {
        let plan = Plan::of(query)?;
        let (reads, dimensions) = (plan.reads(), plan.dimensions());
        // The outbox first: what leaves it in between has arrived in the cells by then.
        let client = self.client().await?;
        let (_, mut deltas) = read_deltas(&**client, workspace.0, i64::MAX).await?;
        drop(client);
        deltas.retain(|key, _| {
            dimensions.contains(&key.dimension)
                && reads
                    .iter()
                    .any(|r| r.grain == key.grain && r.starts.contains(&key.bucket_start))
        });
        let ranges: Vec<String> = reads
            .iter()
            .map(|read| {
                let (from, to) = (read.starts.start, read.starts.end);
                format!("(grain = {} AND bucket >= {from} AND bucket < {to})", read.grain.code())
            })
            .collect();
        if ranges.is_empty() {
            return Ok(plan.assemble([]));
        }
        let codes = dimensions.iter().map(|d| exhibit_store::rollup::dimension_code(*d));
        let codes: Vec<String> = codes.map(|code| code.to_string()).collect();
        let sql = format!(
            "SELECT ?fields FROM cells FINAL WHERE workspace = {} AND dimension IN ({}) AND ({})",
            workspace.0,
            codes.join(", "),
            ranges.join(" OR ")
        );
        let rows = self.shared.clickhouse.query(&sql).fetch_all::<CellRow>().await;
        Ok(plan.assemble(cells::merge(rows.when("reading rollups")?, deltas)?))
    }

    async fn trace_leaves(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Vec<(u64, [u8; 32])>> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT p.leaf, p.leaf_hash FROM traces AS t, LATERAL (SELECT leaf, leaf_hash \
                 FROM spans WHERE trace = t.id AND leaf IS NOT NULL UNION ALL SELECT leaf, \
                 leaf_hash FROM superseded WHERE trace = t.id) AS p \
                 WHERE t.workspace = $1 AND t.trace_id = $2 ORDER BY p.leaf",
                &[&workspace.0, &trace.as_str()],
            )
            .await
            .when("reading the leaves of a trace")?;
        let read = |row: &tokio_postgres::Row| {
            let mut c = Columns::of(row);
            Ok((c.count()?, c.array()?))
        };
        rows.iter().map(read).collect()
    }

    async fn seals(&self, workspace: WorkspaceId, trace: &TraceId) -> Result<Vec<StoredSeal>> {
        let sql = format!(
            "SELECT {SEAL} FROM traces AS t JOIN seals AS s ON s.trace = t.id \
             WHERE t.workspace = $1 AND t.trace_id = $2 ORDER BY s.number"
        );
        let client = self.client().await?;
        let rows = client.query(&sql, &[&workspace.0, &trace.as_str()]).await;
        rows.when("reading seals")?.iter().map(|row| read_seal(&mut Columns::of(row))).collect()
    }

    async fn sealed_from(&self, workspace: WorkspaceId, from: u64, limit: usize) -> Result<Sealed> {
        // One node follows the log; the others would do its work again.
        if !self.leads() {
            return Ok(Sealed { rows: Vec::new(), next: from });
        }
        crate::sealed::sealed(self, workspace, from, limit).await
    }

    async fn due(&self, now: Nanos, limit: usize) -> Result<Due> {
        let mut due = Due::default();
        if !self.leads() {
            return Ok(due);
        }
        let doing = "reading what is due";
        let client = self.client().await?;
        let seals = client
            .query(
                "SELECT workspace, trace_id FROM traces WHERE seal_due <= $1 \
                 ORDER BY seal_due LIMIT $2",
                &[&now.0, &most(limit)],
            )
            .await
            .when(doing)?;
        for row in &seals {
            let mut c = Columns::of(row);
            due.seals.push((WorkspaceId(c.next()?), trace_id(c.next()?)?));
        }
        let ms = i64::try_from(self.shared.options.limits.stale_after_ms).unwrap_or(i64::MAX);
        let before = now.0.saturating_sub(ms.saturating_mul(1_000_000));
        let stale = client
            .query(
                "SELECT t.workspace, t.trace_id, p.span_id FROM spans AS p JOIN traces AS t \
                 ON t.id = p.trace WHERE p.received <= $1 ORDER BY p.received LIMIT $2",
                &[&before, &most(limit)],
            )
            .await
            .when(doing)?;
        for row in &stale {
            let mut c = Columns::of(row);
            due.stale.push(DueSpan {
                workspace: WorkspaceId(c.next()?),
                trace_id: trace_id(c.next()?)?,
                span_id: span_id(c.next()?)?,
            });
        }
        Ok(due)
    }

    async fn locate(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Option<(LogId, u64)>> {
        let client = self.client().await?;
        let row = client
            .query_opt(
                "SELECT p.leaf FROM traces AS t JOIN spans AS p ON p.trace = t.id \
                 WHERE t.workspace = $1 AND t.trace_id = $2 AND p.span_id = $3 \
                 AND p.leaf IS NOT NULL",
                &[&workspace.0, &trace.as_str(), &span.as_str()],
            )
            .await
            .when("locating a record")?;
        let index = row.map(|row| Columns::of(&row).count()).transpose()?;
        Ok(index.map(|index| (LogId::Workspace(workspace), index)))
    }

    /// Search sees the outbox, so there is nothing to wait for.
    async fn search_settled(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
