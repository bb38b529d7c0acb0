//! Reads for verification: the contract's [`AuditStore`].

use std::collections::HashMap;

use async_trait::async_trait;
use exhibit_model::{SpanId, TraceId, WorkspaceId};
use exhibit_store::{
    AuditStore, AuditTrace, Findable, Gauge, Page, StoredAct, StoredSeal, StoredSpan,
    rollup::{Cell, Grain, Key, dimension_code, dimension_from_code},
    search::{Document, tokens},
};

use crate::{
    ClusterStore,
    cells::{self, CellRow},
    commit::unsqueeze,
    cursor::{self, List},
    failure::{Result, When},
    filter::constant,
    read::{Blocks, parts},
    row::{Columns, int, most, span_id},
    ship::read_deltas,
    store::one_view,
    trace::{
        Listed, Place, REVISION, Revision, SEAL, SUPERSEDED, TRACE, TRACES_WITH_SEAL, read_seal,
        read_superseded,
    },
};

/// Everything that is kept of one trace, the payloads left aside.
struct Audited {
    listed: Listed,
    spans: Vec<Revision>,
    superseded: Vec<(SpanId, StoredSpan, Place)>,
    seals: Vec<StoredSeal>,
}

impl Audited {
    fn with(self, blocks: Option<&Blocks>) -> Result<AuditTrace> {
        let bytes = |place: Place| match blocks {
            Some(blocks) => parts(blocks, place),
            None => Ok(Default::default()),
        };
        let mut spans = Vec::with_capacity(self.spans.len());
        let mut lengths = Vec::with_capacity(self.spans.len());
        for revision in &self.spans {
            spans.push((revision.row(), revision.stored(bytes(revision.place)?)));
            lengths.push(revision.place.lengths);
        }
        let superseded = self
            .superseded
            .into_iter()
            .map(|(id, stored, place)| Ok((id, StoredSpan { parts: bytes(place)?, ..stored })))
            .collect::<Result<_>>()?;
        Ok(AuditTrace {
            first_span: self.listed.state.first_span.clone(),
            row: self.listed.row(),
            spans,
            lengths,
            superseded,
            seals: self.seals,
            differing: Vec::new(),
            lost: Vec::new(),
        })
    }
}

impl ClusterStore {
    /// Traces with all that is kept of them, in one view of PostgreSQL.
    async fn audit(
        &self,
        workspace: WorkspaceId,
        rest: &str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
        bodies: bool,
    ) -> Result<Vec<(i64, AuditTrace)>> {
        let doing = "reading traces to be verified";
        let mut client = self.client().await?;
        let db = one_view(&mut client, doing).await?;
        let sql = format!("SELECT {TRACE}, {SEAL} FROM {TRACES_WITH_SEAL} {rest}");
        let mut order = Vec::new();
        let mut all: HashMap<i64, Audited> = HashMap::new();
        for row in db.query(&sql, values).await.when(doing)? {
            let listed = Listed::read(&mut Columns::of(&row))?;
            order.push(listed.state.id);
            let audited =
                Audited { listed, spans: Vec::new(), superseded: Vec::new(), seals: Vec::new() };
            all.insert(audited.listed.state.id, audited);
        }
        let sql = format!(
            "SELECT p.trace, {REVISION} FROM spans AS p WHERE p.trace = ANY($1) \
             ORDER BY p.trace, p.span_id"
        );
        for row in db.query(&sql, &[&order]).await.when(doing)? {
            let mut c = Columns::of(&row);
            if let Some(trace) = all.get_mut(&c.next()?) {
                trace.spans.push(Revision::read(&mut c)?);
            }
        }
        let sql = format!(
            "SELECT p.trace, p.span_id, {SUPERSEDED} FROM superseded AS p \
             WHERE p.trace = ANY($1) ORDER BY p.trace, p.span_id, p.leaf"
        );
        for row in db.query(&sql, &[&order]).await.when(doing)? {
            let mut c = Columns::of(&row);
            if let Some(trace) = all.get_mut(&c.next()?) {
                let id = span_id(c.next()?)?;
                let (stored, place) = read_superseded(&mut c)?;
                trace.superseded.push((id, stored, place));
            }
        }
        let sql = format!(
            "SELECT s.trace, {SEAL} FROM seals AS s WHERE s.trace = ANY($1) \
             ORDER BY s.trace, s.number"
        );
        for row in db.query(&sql, &[&order]).await.when(doing)? {
            let mut c = Columns::of(&row);
            if let Some(trace) = all.get_mut(&c.next()?) {
                trace.seals.push(read_seal(&mut c)?);
            }
        }
        drop(db);
        drop(client);
        let blocks = if bodies {
            let mut wanted = Vec::new();
            for (id, trace) in &all {
                wanted.extend(trace.spans.iter().map(|span| (*id, span.place.block)));
                wanted.extend(trace.superseded.iter().map(|(.., place)| (*id, place.block)));
            }
            Some(self.blocks(workspace, &wanted).await?)
        } else {
            None
        };
        let whole = |id: i64| Some((id, all.remove(&id)?));
        order
            .into_iter()
            .filter_map(whole)
            .map(|(id, trace)| Ok((id, trace.with(blocks.as_ref())?)))
            .collect()
    }
}

#[async_trait]
impl AuditStore for ClusterStore {
    async fn audit_traces(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
        bodies: bool,
    ) -> Result<Page<AuditTrace>> {
        let after: i64 = cursor::read(List::AuditTraces, after.as_ref())?.unwrap_or(i64::MIN);
        let rest = "WHERE t.workspace = $1 AND t.id > $2 ORDER BY t.id LIMIT $3";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&workspace.0, &after, &most(limit.saturating_add(1))];
        let mut rows = self.audit(workspace, rest, &values, bodies).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next =
            rows.last().filter(|_| more).and_then(|(id, _)| cursor::write(List::AuditTraces, id));
        Ok(Page { rows: rows.into_iter().map(|(_, trace)| trace).collect(), next })
    }

    async fn audit_trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<AuditTrace>> {
        let rest = "WHERE t.workspace = $1 AND t.trace_id = $2";
        let rows = self.audit(workspace, rest, &[&workspace.0, &trace.as_str()], true).await?;
        Ok(rows.into_iter().next().map(|(_, trace)| trace))
    }

    fn gauges(&self) -> Vec<Gauge> {
        let shared = &self.shared;
        let backlog = shared.backlog.lock();
        let gauge = |name, help, value| Gauge { name, help, value };
        let flag = |is: bool| f64::from(u8::from(is));
        vec![
            gauge("leads", "Whether this node ships, seals and signs.", flag(shared.leads())),
            gauge(
                "outbox_commits",
                "Commits that ClickHouse does not have yet.",
                backlog.commits as f64,
            ),
            gauge(
                "outbox_bytes",
                "Bytes of payloads that ClickHouse does not have yet.",
                backlog.bytes as f64,
            ),
            gauge(
                "outbox_lag_seconds",
                "How long the oldest commit that ClickHouse does not have has waited.",
                backlog.lag().as_secs_f64(),
            ),
            gauge(
                "outbox_full",
                "Whether the outbox is full and writes are refused.",
                flag(shared.full.load(std::sync::atomic::Ordering::Relaxed)),
            ),
        ]
    }

    async fn audit_size(&self, workspace: WorkspaceId) -> Result<u64> {
        let sql = "SELECT coalesce(sum(records), 0)::bigint FROM traces WHERE workspace = $1";
        let client = self.client().await?;
        let row = client.query_one(sql, &[&workspace.0]).await.when("counting spans")?;
        Columns::of(&row).count()
    }

    async fn audit_rollups(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<(Key, Cell)>> {
        type Place = (i64, i64, i64, Option<String>);
        let after: Option<Place> = cursor::read(List::AuditRollups, after.as_ref())?;
        let after = match after {
            None => None,
            Some((grain, bucket_start, dimension, value)) => Some(Key {
                grain: Grain::from_code(grain).ok_or(exhibit_store::StoreError::Cursor)?,
                bucket_start,
                dimension: dimension_from_code(dimension)
                    .ok_or(exhibit_store::StoreError::Cursor)?,
                value,
            }),
        };
        let client = self.client().await?;
        let (_, mut deltas) = read_deltas(&**client, workspace.0, i64::MAX).await?;
        drop(client);
        let mut sql = format!("SELECT ?fields FROM cells FINAL WHERE workspace = {}", workspace.0);
        if let Some(key) = &after {
            sql.push_str(&format!(
                " AND (grain, bucket, dimension, valued, value) > ({}, {}, {}, {}, {})",
                key.grain.code(),
                key.bucket_start,
                dimension_code(key.dimension),
                u8::from(key.value.is_some()),
                constant(key.value.as_deref().unwrap_or_default()),
            ));
            deltas.retain(|delta, _| delta > key);
        }
        let most = limit.saturating_add(1);
        sql.push_str(&format!(" ORDER BY grain, bucket, dimension, valued, value LIMIT {most}"));
        let rows = self.shared.clickhouse.query(&sql).fetch_all::<CellRow>().await;
        let rows = rows.when("reading rollups")?;
        // Beyond the last row of a cut answer nothing is known yet.
        let cut = if rows.len() < most { None } else { rows.last().cloned() };
        let last = cut.map(CellRow::read).transpose()?.map(|(key, ..)| key);
        if let Some(last) = &last {
            deltas.retain(|delta, _| delta <= last);
        }
        let mut cells: Vec<(Key, Cell)> = cells::merge(rows, deltas)?.into_iter().collect();
        let more = last.is_some() || cells.len() > limit;
        cells.truncate(limit);
        // Cells of zero are left out, so a page may end before its last cell: the cursor then says how
        // far it has come.
        let end = cells.last().map(|(key, _)| key.clone()).filter(|_| cells.len() == limit);
        let place = |key: &Key| -> Place {
            (key.grain.code(), key.bucket_start, dimension_code(key.dimension), key.value.clone())
        };
        let next = if more { end.or(last) } else { None };
        let next = next.and_then(|key| cursor::write(List::AuditRollups, &place(&key)));
        Ok(Page { rows: cells, next })
    }

    async fn audit_acts(
        &self,
        workspace: WorkspaceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredAct>> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT leaf, body FROM acts WHERE log = $1 AND leaf >= $2 ORDER BY leaf LIMIT $3",
                &[&workspace.0, &int(from), &most(limit)],
            )
            .await
            .when("reading acts")?;
        let read = |row: &tokio_postgres::Row| {
            let mut c = Columns::of(row);
            Ok(StoredAct { index: c.count()?, body: c.next()? })
        };
        rows.iter().map(read).collect()
    }

    async fn audit_search(
        &self,
        workspace: WorkspaceId,
        traces: &[Findable],
    ) -> Result<Vec<TraceId>> {
        let doing = "verifying the search index";
        let ids: Vec<&str> = traces.iter().map(|one| one.trace.as_str()).collect();
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT trace_id, id FROM traces WHERE workspace = $1 AND trace_id = ANY($2)",
                &[&workspace.0, &ids],
            )
            .await
            .when(doing)?;
        let mut numbers: HashMap<String, i64> = HashMap::new();
        for row in &rows {
            let mut c = Columns::of(row);
            numbers.insert(c.next()?, c.next()?);
        }
        let all: Vec<i64> = numbers.values().copied().collect();
        let texts = client
            .query("SELECT trace, text FROM outbox_texts WHERE trace = ANY($1)", &[&all])
            .await
            .when(doing)?;
        drop(client);
        let mut documents: HashMap<i64, Document> = HashMap::new();
        for row in &texts {
            let mut c = Columns::of(row);
            let trace: i64 = c.next()?;
            documents.entry(trace).or_default().push(&unsqueeze(c.next()?)?);
        }
        if !all.is_empty() {
            let list = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let sql = format!(
                "SELECT trace, words FROM texts WHERE workspace = {} AND trace IN ({list})",
                workspace.0
            );
            let rows = self.shared.clickhouse.query(&sql).fetch_all::<(i64, String)>().await;
            for (trace, words) in rows.when(doing)? {
                documents.entry(trace).or_default().push(&words);
            }
        }
        let found = |one: &Findable| {
            let number = numbers.get(one.trace.as_str());
            let document = number.and_then(|number| documents.get(number));
            tokens(&one.text).is_empty() || document.is_some_and(|d| d.has_words_of(&one.text))
        };
        Ok(traces.iter().filter(|one| !found(one)).map(|one| one.trace.clone()).collect())
    }
}
