//! Sums of before moved to the agents and users that spans inherit.

use std::collections::BTreeMap;

use exhibit_store::{
    Dimension, StoreError,
    rollup::{Accumulator, attribution::Lineages},
};
use tokio_postgres::Transaction;

use crate::{
    cells,
    failure::When,
    row::Columns,
    trace::{TRACE, TraceState, whole_traces},
};

/// Traces read at once.
const TRACES: i64 = 500;

/// The next traces after one, each with its workspace, in the order of their numbers.
pub(super) async fn page(
    db: &Transaction<'_>,
    after: i64,
) -> Result<Vec<(i64, TraceState)>, StoreError> {
    let sql = format!(
        "SELECT t.workspace, {TRACE} FROM traces AS t WHERE t.id > $1 ORDER BY t.id LIMIT {TRACES}"
    );
    let rows = db.query(&sql, &[&after]).await.when("reading traces")?;
    let read = |row| {
        let mut c = Columns::of(row);
        Ok((c.next()?, TraceState::read(&mut c)?))
    };
    rows.iter().map(read).collect()
}

/// Adds what moves as deltas of commits of its own; the logs are held.
pub(super) async fn move_sums(db: &Transaction<'_>) -> Result<(), StoreError> {
    let doing = "moving sums to inherited agents and users";
    let mut after = i64::MIN;
    loop {
        let mut traces = page(db, after).await?;
        let Some((_, last)) = traces.last() else { return Ok(()) };
        after = last.id;
        traces.retain(|(_, trace)| trace.summary.agent.is_some() || trace.summary.user.is_some());
        let ids: Vec<i64> = traces.iter().map(|(_, trace)| trace.id).collect();
        let spans = whole_traces(db, &ids).await?;
        let mut sums: BTreeMap<i64, Accumulator> = BTreeMap::new();
        for (workspace, trace) in &traces {
            let Some(spans) = spans.get(&trace.id) else { continue };
            let sum = sums.entry(*workspace).or_default();
            let lineages = Lineages::of(spans.iter().map(|span| &span.head));
            for span in spans {
                let (head, counted) = (&span.head, span.counted);
                let first = trace.first_span.as_ref() == Some(&head.span_id);
                if head.agent.is_none() {
                    let agents = [None, lineages.agent(head)];
                    sum.shift(head, counted, first, Dimension::Agent, agents);
                }
                if head.user.is_none() {
                    let users = [None, trace.summary.user.as_deref()];
                    sum.shift(head, counted, first, Dimension::User, users);
                }
            }
        }
        for (workspace, sum) in sums {
            let moved = sum.into_cells();
            if !moved.is_empty() {
                db.execute(
                    "INSERT INTO outbox_deltas (workspace, sequence, cells) \
                     VALUES ($1, nextval('numbers'), $2)",
                    &[&workspace, &cells::encode(&moved)],
                )
                .await
                .when(doing)?;
            }
        }
    }
}
