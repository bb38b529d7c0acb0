//! Reviews, keys of quarantined records, deliveries: the contract's [`ReviewStore`].

use async_trait::async_trait;
use exhibit_model::{Nanos, RecordId, Review, WorkspaceId};
use exhibit_store::{
    AdminAct, Delivery, Page, ReviewQuery, ReviewStore, StoreError, review::cursor,
};
use tokio_postgres::{Row, Transaction, types::ToSql};

use crate::{
    ClusterStore,
    failure::{Result, When, corrupt},
    log::{hold, record_act},
    notify,
    row::{Columns, int, most},
};

const DELIVERY: &str = "id, channel, event, body, created, next, attempts, delivered, last";

fn parse(body: &[u8]) -> Result<Review> {
    serde_json::from_slice(body).map_err(|_| corrupt("a review"))
}

fn read_delivery(c: &mut Columns<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: c.next()?,
        channel: c.text()?,
        event: c.text()?,
        body: c.text()?,
        created: Nanos(c.next()?),
        next: c.next::<Option<i64>>()?.map(Nanos),
        attempts: u32::try_from(c.next::<i64>()?).map_err(|_| corrupt("a number of attempts"))?,
        delivered: c.next::<Option<i64>>()?.map(Nanos),
        last: c.text_or_null()?,
    })
}

/// A page of numbered rows, newest first.
fn page<T>(mut rows: Vec<(i64, T)>, limit: usize) -> Page<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(number, _)| number.to_string());
    Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
}

/// Keeps a review and its act, where it is the version after the present one, and tells other nodes.
pub(crate) async fn put(
    db: &Transaction<'_>,
    workspace: WorkspaceId,
    review: &Review,
    act: &AdminAct,
    told: &str,
) -> Result<bool> {
    let doing = "keeping a review";
    let held = db
        .query_opt(
            "SELECT version FROM reviews WHERE workspace = $1 AND id = $2",
            &[&workspace.0, &review.id],
        )
        .await
        .when(doing)?;
    let held = held.map_or(Ok(0), |row| Columns::of(&row).next::<i64>())?;
    let version = int(review.version);
    if held.saturating_add(1) != version {
        return Ok(false);
    }
    let body = serde_json::to_vec(review)
        .map_err(|error| StoreError::Failed(format!("writing a review: {error}")))?;
    let due = review.due.filter(|_| review.state.is_waiting()).map(|due| due.0);
    db.execute(
        "INSERT INTO reviews (workspace, id, trace_id, state, queue, assignee, rule, due, \
         version, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (workspace, id) DO UPDATE SET state = excluded.state, \
         queue = excluded.queue, assignee = excluded.assignee, due = excluded.due, \
         version = excluded.version, body = excluded.body",
        &[
            &workspace.0,
            &review.id,
            &review.trace_id.as_str(),
            &review.state.code(),
            &review.queue.as_bytes(),
            &review.assignee.as_deref().map(str::as_bytes),
            &review.rule.as_bytes(),
            &due,
            &version,
            &body,
        ],
    )
    .await
    .when(doing)?;
    record_act(db, workspace, act).await?;
    db.execute("SELECT pg_notify('exhibit_commits', $1)", &[&told]).await.when(doing)?;
    Ok(true)
}

#[async_trait]
impl ReviewStore for ClusterStore {
    async fn put_review(
        &self,
        workspace: WorkspaceId,
        review: &Review,
        act: AdminAct,
    ) -> Result<bool> {
        let doing = "keeping a review";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        // The log's lock decides between two that change one review at once.
        hold(&db, &[workspace.0]).await?;
        let told = notify::of_review(&self.shared.node, workspace, &review.id);
        if !put(&db, workspace, review, &act, &told).await? {
            return Ok(false);
        }
        db.commit().await.when(doing)?;
        Ok(true)
    }

    async fn review(&self, workspace: WorkspaceId, id: &str) -> Result<Option<Review>> {
        let client = self.client().await?;
        let sql = "SELECT body FROM reviews WHERE workspace = $1 AND id = $2";
        let row = client.query_opt(sql, &[&workspace.0, &id]).await.when("reading a review")?;
        row.map(|row| parse(Columns::of(&row).next()?)).transpose()
    }

    async fn reviews(&self, workspace: WorkspaceId, query: &ReviewQuery) -> Result<Page<Review>> {
        let after = cursor(query.after.as_deref())?;
        let mut sql =
            "SELECT number, body FROM reviews WHERE workspace = $1 AND number < $2".to_owned();
        let limit = most(query.limit.saturating_add(1));
        let states: Vec<i64> = query.states.iter().map(|state| state.code()).collect();
        let texts = [
            ("queue", query.queue.as_deref().map(str::as_bytes)),
            ("assignee", query.assignee.as_deref().map(str::as_bytes)),
            ("rule", query.rule.as_deref().map(str::as_bytes)),
        ];
        let trace = query.trace.as_ref().map(exhibit_model::TraceId::as_str);
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&workspace.0, &after, &limit];
        if !states.is_empty() {
            values.push(&states);
            sql.push_str(&format!(" AND state = ANY(${})", values.len()));
        }
        for (column, text) in &texts {
            if let Some(text) = text {
                values.push(text);
                sql.push_str(&format!(" AND {column} = ${}", values.len()));
            }
        }
        if let Some(trace) = &trace {
            values.push(trace);
            sql.push_str(&format!(" AND trace_id = ${}", values.len()));
        }
        sql.push_str(" ORDER BY number DESC LIMIT $3");
        let rows = self.client().await?.query(&sql, &values).await.when("listing reviews")?;
        let read = |row: &Row| {
            let mut c = Columns::of(row);
            Ok((c.next()?, parse(c.next()?)?))
        };
        Ok(page(rows.iter().map(read).collect::<Result<_>>()?, query.limit))
    }

    async fn reviews_due(&self, now: Nanos, limit: usize) -> Result<Vec<(WorkspaceId, Review)>> {
        if !self.leads() {
            return Ok(Vec::new());
        }
        let client = self.client().await?;
        let sql = "SELECT workspace, body FROM reviews WHERE due <= $1 ORDER BY due LIMIT $2";
        let rows = client.query(sql, &[&now.0, &most(limit)]).await.when("reading due reviews")?;
        let read = |row: &Row| {
            let mut c = Columns::of(row);
            Ok((WorkspaceId(c.next()?), parse(c.next()?)?))
        };
        rows.iter().map(read).collect()
    }

    async fn put_locks(
        &self,
        workspace: WorkspaceId,
        locks: Vec<(RecordId, Vec<u8>)>,
    ) -> Result<()> {
        let records: Vec<&[u8]> = locks.iter().map(|(record, _)| &record.0[..]).collect();
        let keys: Vec<&[u8]> = locks.iter().map(|(_, key)| key.as_slice()).collect();
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO locks (workspace, record, key) SELECT $1::bigint, l.* \
                 FROM unnest($2::bytea[], $3::bytea[]) AS l \
                 ON CONFLICT (workspace, record) DO UPDATE SET key = excluded.key",
                &[&workspace.0, &records, &keys],
            )
            .await
            .when("keeping keys of records")?;
        Ok(())
    }

    async fn locks(
        &self,
        workspace: WorkspaceId,
        records: &[RecordId],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let wanted: Vec<&[u8]> = records.iter().map(|record| &record.0[..]).collect();
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT l.key FROM unnest($2::bytea[]) WITH ORDINALITY AS w (record, place) \
                 LEFT JOIN locks AS l ON l.workspace = $1 AND l.record = w.record ORDER BY w.place",
                &[&workspace.0, &wanted],
            )
            .await
            .when("reading keys of records")?;
        rows.iter().map(|row| Columns::of(row).next()).collect()
    }

    async fn destroy_locks(&self, workspace: WorkspaceId, records: &[RecordId]) -> Result<()> {
        let wanted: Vec<&[u8]> = records.iter().map(|record| &record.0[..]).collect();
        let client = self.client().await?;
        client
            .execute(
                "DELETE FROM locks WHERE workspace = $1 AND record = ANY($2)",
                &[&workspace.0, &wanted],
            )
            .await
            .when("destroying keys of records")?;
        Ok(())
    }

    async fn put_deliveries(
        &self,
        workspace: WorkspaceId,
        deliveries: Vec<Delivery>,
        keep: u64,
    ) -> Result<()> {
        let doing = "keeping deliveries";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        let sql = format!(
            "INSERT INTO deliveries (workspace, {DELIVERY}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (workspace, id) DO UPDATE SET next = excluded.next, \
             attempts = excluded.attempts, delivered = excluded.delivered, last = excluded.last"
        );
        let insert = db.prepare(&sql).await.when(doing)?;
        for one in &deliveries {
            db.execute(
                &insert,
                &[
                    &workspace.0,
                    &one.id,
                    &one.channel.as_bytes(),
                    &one.event.as_bytes(),
                    &one.body.as_bytes(),
                    &one.created.0,
                    &one.next.map(|t| t.0),
                    &i64::from(one.attempts),
                    &one.delivered.map(|t| t.0),
                    &one.last.as_deref().map(str::as_bytes),
                ],
            )
            .await
            .when(doing)?;
        }
        db.execute(
            "DELETE FROM deliveries WHERE workspace = $1 AND next IS NULL AND number <= \
             (SELECT number FROM deliveries WHERE workspace = $1 AND next IS NULL \
             ORDER BY number DESC LIMIT 1 OFFSET $2)",
            &[&workspace.0, &int(keep)],
        )
        .await
        .when(doing)?;
        db.commit().await.when(doing)
    }

    async fn deliveries(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        let after = cursor(after.as_deref())?;
        let sql = format!(
            "SELECT number, {DELIVERY} FROM deliveries WHERE workspace = $1 AND number < $2 \
             ORDER BY number DESC LIMIT $3"
        );
        let limit_and_one = most(limit.saturating_add(1));
        let client = self.client().await?;
        let rows = client.query(&sql, &[&workspace.0, &after, &limit_and_one]).await;
        let read = |row: &Row| {
            let mut c = Columns::of(row);
            Ok((c.next()?, read_delivery(&mut c)?))
        };
        let rows = rows.when("listing deliveries")?;
        Ok(page(rows.iter().map(read).collect::<Result<_>>()?, limit))
    }

    async fn deliveries_due(
        &self,
        now: Nanos,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, Delivery)>> {
        if !self.leads() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT workspace, {DELIVERY} FROM deliveries WHERE next <= $1 ORDER BY next LIMIT $2"
        );
        let client = self.client().await?;
        let rows = client.query(&sql, &[&now.0, &most(limit)]).await.when("reading deliveries")?;
        let read = |row: &Row| {
            let mut c = Columns::of(row);
            Ok((WorkspaceId(c.next()?), read_delivery(&mut c)?))
        };
        rows.iter().map(read).collect()
    }
}
