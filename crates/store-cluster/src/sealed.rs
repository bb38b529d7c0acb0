//! Traces in the order of their seals: what a sink follows.
//!
//! One index over all seals serves every workspace, so one call looks at a bounded piece of it.

use exhibit_model::WorkspaceId;
use exhibit_store::{LedgerStore, LogId, Sealed};

use crate::{
    ClusterStore,
    failure::{Result, When},
    row::{Columns, int, most},
    trace::{Listed, SEAL, TRACE, TRACES_WITH_SEAL},
};

/// Seals that one call looks at.
const LOOKED_AT: i64 = 10_000;

/// The traces sealed at `from` or later.
pub(crate) async fn sealed(
    store: &ClusterStore,
    workspace: WorkspaceId,
    from: u64,
    limit: usize,
) -> Result<Sealed> {
    let doing = "reading sealed traces";
    let size = store.head(LogId::Workspace(workspace)).await?.size;
    if from >= size || limit == 0 {
        return Ok(Sealed { rows: Vec::new(), next: size.min(from) });
    }
    let client = store.client().await?;
    let last = client
        .query_opt(
            "SELECT leaf FROM seals WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf LIMIT 1 OFFSET $3",
            &[&int(from), &int(size), &LOOKED_AT],
        )
        .await
        .when(doing)?;
    let last = last.map(|row| Columns::of(&row).count()).transpose()?;
    // All seals with the last number are looked at, of however many workspaces.
    let end = last.map_or(size, |last| last.saturating_add(1));
    let sql = format!(
        "SELECT {TRACE}, {SEAL} FROM {TRACES_WITH_SEAL} \
         WHERE t.workspace = $1 AND s.leaf >= $2 AND s.leaf < $3 ORDER BY s.leaf LIMIT $4"
    );
    let statement = client.prepare_cached(&sql).await.when(doing)?;
    let found = client
        .query(&statement, &[&workspace.0, &int(from), &int(end), &most(limit)])
        .await
        .when(doing)?;
    drop(client);
    let read = |row: &tokio_postgres::Row| Ok(Listed::read(&mut Columns::of(row))?.row());
    let mut rows = found.iter().map(read).collect::<Result<Vec<_>>>()?;
    store.add_reviews(workspace, &mut rows).await?;
    let seal = rows.last().and_then(|row| row.seal.as_ref()).filter(|_| rows.len() == limit);
    let next = seal.map_or(end, |seal| seal.index + 1);
    Ok(Sealed { rows, next })
}
