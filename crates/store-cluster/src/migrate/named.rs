//! The agents and users that older traces name, collected from their spans.

use std::sync::Arc;

use exhibit_store::StoreError;
use tokio_postgres::Transaction;

use super::inherit;
use crate::{
    failure::When,
    trace::{json, whole_traces},
};

/// Fills the sets of every summary; the logs are held.
pub(super) async fn collect(db: &Transaction<'_>) -> Result<(), StoreError> {
    let doing = "collecting agents and users";
    let mut after = i64::MIN;
    loop {
        let mut traces = inherit::page(db, after).await?;
        let Some((_, last)) = traces.last() else { return Ok(()) };
        after = last.id;
        // Of a trace that names none, no span does.
        traces.retain(|(_, trace)| trace.summary.agent.is_some() || trace.summary.user.is_some());
        let ids: Vec<i64> = traces.iter().map(|(_, trace)| trace.id).collect();
        let spans = whole_traces(db, &ids).await?;
        let mut summaries = Vec::with_capacity(ids.len());
        // Under its one agent and user a trace stands over there already.
        let (mut shipped, mut workspaces) = (Vec::new(), Vec::new());
        for (workspace, trace) in &mut traces {
            let summary = Arc::make_mut(&mut trace.summary);
            for span in spans.get(&trace.id).into_iter().flatten() {
                summary.agents.extend(span.head.agent.clone());
                summary.users.extend(span.head.user.clone());
            }
            if summary.agents.len() > 1 || summary.users.len() > 1 {
                shipped.push(trace.id);
                workspaces.push(*workspace);
            }
            summaries.push(json(summary)?);
        }
        db.execute(
            "UPDATE traces AS t SET summary = n.summary \
             FROM unnest($1::bigint[], $2::bytea[]) AS n (id, summary) WHERE t.id = n.id",
            &[&ids, &summaries],
        )
        .await
        .when(doing)?;
        db.execute(
            "INSERT INTO outbox_traces (trace, workspace, changed) \
             SELECT trace, workspace, nextval('numbers') \
             FROM unnest($1::bigint[], $2::bigint[]) AS n (trace, workspace) \
             ON CONFLICT (trace) DO UPDATE SET changed = excluded.changed",
            &[&shipped, &workspaces],
        )
        .await
        .when(doing)?;
    }
}
