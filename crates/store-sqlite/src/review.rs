//! Reviews and deliveries: the contract's [`ReviewStore`].

mod delivery;
mod lock;

use async_trait::async_trait;
use exhibit_model::{Nanos, RecordId, Review, WorkspaceId};
use exhibit_store::{
    AdminAct, Delivery, Page, ReviewQuery, ReviewStore, StoreError, review::cursor,
};
use rusqlite::{Connection, OptionalExtension, types::Value};

use crate::{
    SqliteStore, account,
    failure::{Result, SqlContext},
    writer::step::Step,
};

#[async_trait]
impl ReviewStore for SqliteStore {
    async fn put_review(
        &self,
        workspace: WorkspaceId,
        review: &Review,
        act: AdminAct,
    ) -> Result<bool> {
        let review = review.clone();
        self.queue()?.run(move |step| put(step, workspace, &review, &act).map(Ok)).await
    }

    async fn review(&self, workspace: WorkspaceId, id: &str) -> Result<Option<Review>> {
        let id = id.to_owned();
        self.pool
            .read(move |db| {
                let body: Option<String> = db
                    .prepare_cached("SELECT body FROM reviews WHERE workspace = ?1 AND id = ?2")
                    .and_then(|mut s| s.query_row((workspace.0, id), |row| row.get(0)).optional())
                    .when("reading a review")?;
                body.as_deref().map(parse).transpose()
            })
            .await
    }

    async fn reviews(&self, workspace: WorkspaceId, query: &ReviewQuery) -> Result<Page<Review>> {
        let after = cursor(query.after.as_deref())?;
        let query = query.clone();
        self.pool.read(move |db| page(db, workspace, &query, after)).await
    }

    async fn reviews_due(&self, now: Nanos, limit: usize) -> Result<Vec<(WorkspaceId, Review)>> {
        self.pool
            .read(move |db| {
                let doing = "reading reviews that are due";
                let mut statement = db
                    .prepare_cached(
                        "SELECT workspace, body FROM reviews WHERE due IS NOT NULL AND due <= ?1 \
                         ORDER BY due LIMIT ?2",
                    )
                    .when(doing)?;
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                let rows = statement.query_map((now.0, most(limit)), read).when(doing)?;
                let rows: Vec<(i64, String)> = rows.collect::<rusqlite::Result<_>>().when(doing)?;
                rows.into_iter().map(|(w, body)| Ok((WorkspaceId(w), parse(&body)?))).collect()
            })
            .await
    }

    async fn put_locks(
        &self,
        workspace: WorkspaceId,
        locks: Vec<(RecordId, Vec<u8>)>,
    ) -> Result<()> {
        self.queue()?.run(move |step| lock::put(step.db, workspace, &locks)).await
    }

    async fn locks(
        &self,
        workspace: WorkspaceId,
        records: &[RecordId],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let records = records.to_vec();
        self.pool.read(move |db| lock::get(db, workspace, &records)).await
    }

    async fn destroy_locks(&self, workspace: WorkspaceId, records: &[RecordId]) -> Result<()> {
        let records = records.to_vec();
        self.queue()?.run(move |step| lock::destroy(step.db, workspace, &records)).await
    }

    async fn put_deliveries(
        &self,
        workspace: WorkspaceId,
        deliveries: Vec<Delivery>,
        keep: u64,
    ) -> Result<()> {
        self.queue()?.run(move |step| delivery::put(step.db, workspace, &deliveries, keep)).await
    }

    async fn deliveries(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Delivery>> {
        let after = cursor(after.as_deref())?;
        self.pool.read(move |db| delivery::page(db, workspace, after, limit)).await
    }

    async fn deliveries_due(
        &self,
        now: Nanos,
        limit: usize,
    ) -> Result<Vec<(WorkspaceId, Delivery)>> {
        self.pool.read(move |db| delivery::due(db, now, limit)).await
    }
}

fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn parse(body: &str) -> Result<Review> {
    serde_json::from_str(body).map_err(|_| StoreError::Corrupt("a review".to_owned()))
}

/// Keeps a review and its act, where it is the version after the present one.
pub(crate) fn put(
    step: &mut Step<'_>,
    workspace: WorkspaceId,
    review: &Review,
    act: &AdminAct,
) -> Result<bool> {
    let doing = "keeping a review";
    let held: Option<i64> = step
        .db
        .prepare_cached("SELECT version FROM reviews WHERE workspace = ?1 AND id = ?2")
        .and_then(|mut s| s.query_row((workspace.0, &review.id), |row| row.get(0)).optional())
        .when(doing)?;
    let version = i64::try_from(review.version).unwrap_or(i64::MAX);
    if held.unwrap_or(0).saturating_add(1) != version {
        return Ok(false);
    }
    let body = serde_json::to_string(review)
        .map_err(|error| StoreError::Failed(format!("writing a review: {error}")))?;
    let due = review.due.filter(|_| review.state.is_waiting()).map(|due| due.0);
    step.db
        .prepare_cached(
            "INSERT INTO reviews (workspace, id, trace_id, state, queue, assignee, rule, due, \
             version, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (workspace, id) DO UPDATE SET state = excluded.state, \
             queue = excluded.queue, assignee = excluded.assignee, due = excluded.due, \
             version = excluded.version, body = excluded.body",
        )
        .and_then(|mut s| {
            s.execute((
                workspace.0,
                &review.id,
                review.trace_id.as_str(),
                review.state.code(),
                &review.queue,
                &review.assignee,
                &review.rule,
                due,
                version,
                &body,
            ))
        })
        .when(doing)?;
    account::record(step, workspace, act)?;
    Ok(true)
}

fn page(
    db: &Connection,
    workspace: WorkspaceId,
    query: &ReviewQuery,
    after: i64,
) -> Result<Page<Review>> {
    let doing = "listing reviews";
    let mut sql =
        "SELECT number, body FROM reviews WHERE workspace = ?1 AND number < ?2".to_owned();
    let mut values = vec![Value::Integer(workspace.0), Value::Integer(after)];
    if !query.states.is_empty() {
        let codes: Vec<String> = query.states.iter().map(|s| s.code().to_string()).collect();
        sql.push_str(&format!(" AND state IN ({})", codes.join(", ")));
    }
    let texts = [
        ("queue", query.queue.clone()),
        ("assignee", query.assignee.clone()),
        ("rule", query.rule.clone()),
        ("trace_id", query.trace.as_ref().map(ToString::to_string)),
    ];
    for (column, text) in texts {
        if let Some(text) = text {
            values.push(Value::Text(text));
            sql.push_str(&format!(" AND {column} = ?{}", values.len()));
        }
    }
    values.push(Value::Integer(most(query.limit.saturating_add(1))));
    sql.push_str(&format!(" ORDER BY number DESC LIMIT ?{}", values.len()));
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let rows = statement.query_map(rusqlite::params_from_iter(values), read).when(doing)?;
    let mut rows: Vec<(i64, String)> = rows.collect::<rusqlite::Result<_>>().when(doing)?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next = rows.last().filter(|_| more).map(|(number, _)| number.to_string());
    let rows = rows.iter().map(|(_, body)| parse(body)).collect::<Result<_>>()?;
    Ok(Page { rows, next })
}
