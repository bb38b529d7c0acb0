//! Removal of traces: the contract's [`EraseStore`].
//!
//! One transaction removes rows, keys and what is in the outbox, takes the traces out of the sums, and
//! appends the act. Reads leave them out from then on; the rows over there follow, and are rewritten
//! there rather than marked.

use std::collections::BTreeSet;

use async_trait::async_trait;
use exhibit_model::{Review, ReviewState, WorkspaceId};
use exhibit_store::{
    AdminAct, Doomed, EraseStore,
    rollup::{Accumulator, Inherited, attribution::Lineages},
};

use crate::{
    ClusterStore, cells,
    commit::numbers,
    failure::{Result, When},
    log::{hold, record_act},
    notify, review,
    row::{Columns, int},
    trace::{TRACE, TraceState, whole_traces},
};

/// The tables in which erased traces had rows.
const VACUUM: &str = "VACUUM (TRUNCATE) spans, superseded, seals, traces, outbox_blocks, \
     outbox_texts, outbox_traces, outbox_moved";

#[async_trait]
impl EraseStore for ClusterStore {
    async fn erase(
        &self,
        workspace: WorkspaceId,
        traces: Vec<Doomed>,
        closed: Vec<(Review, AdminAct)>,
        act: AdminAct,
    ) -> Result<bool> {
        let doing = "erasing traces";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        hold(&db, &[workspace.0]).await?;
        let sequence = numbers(&db, 1).await?.first().copied().unwrap_or_default();
        let names: Vec<&str> = traces.iter().map(|doomed| doomed.trace_id.as_str()).collect();
        let sql = format!(
            "SELECT {TRACE} FROM traces AS t WHERE t.workspace = $1 AND t.trace_id = ANY($2)"
        );
        let rows = db.query(&sql, &[&workspace.0, &names]).await.when(doing)?;
        let states: Vec<TraceState> = rows
            .iter()
            .map(|row| TraceState::read(&mut Columns::of(row)))
            .collect::<Result<_>>()?;
        let as_counted = |doomed: &Doomed| {
            states.iter().any(|state| {
                state.summary.trace_id == doomed.trace_id
                    && (state.leaves, state.seals) == (doomed.leaves, doomed.seals)
            })
        };
        if !traces.iter().all(as_counted) {
            return Ok(false);
        }
        let undecided: Vec<i64> = ReviewState::ALL
            .iter()
            .filter(|state| state.is_undecided())
            .map(|state| state.code())
            .collect();
        let sql = "SELECT id, version FROM reviews WHERE workspace = $1 AND trace_id = ANY($2) \
                   AND state = ANY($3)";
        let rows = db.query(sql, &[&workspace.0, &names, &undecided]).await.when(doing)?;
        let found: BTreeSet<(String, i64)> = rows
            .iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok((c.next()?, c.next()?))
            })
            .collect::<Result<_>>()?;
        let before = closed.iter().map(|(review, _)| (review.id.clone(), int(review.version) - 1));
        if found != before.collect() {
            return Ok(false);
        }
        for (review, act) in &closed {
            let told = notify::of_review(&self.shared.node, workspace, &review.id);
            review::put(&db, workspace, review, act, &told).await?;
        }
        let ids: Vec<i64> = states.iter().map(|state| state.id).collect();
        let mut sum = Accumulator::new();
        let spans = whole_traces(&*db, &ids).await?;
        for state in &states {
            let Some(spans) = spans.get(&state.id) else { continue };
            let lineages = Lineages::of(spans.iter().map(|span| &span.head));
            for span in spans {
                let first = state.first_span.as_ref() == Some(&span.head.span_id);
                let agent = lineages.agent(&span.head);
                let inherited = Inherited { agent, user: state.summary.user.as_deref() };
                sum.subtract(&span.head, span.counted, first, inherited);
            }
        }
        let sums = sum.into_cells();
        if !sums.is_empty() {
            db.execute(
                "INSERT INTO outbox_deltas (workspace, sequence, cells) VALUES ($1, $2, $3)",
                &[&workspace.0, &sequence, &cells::encode(&sums)],
            )
            .await
            .when(doing)?;
        }
        let removals = [
            "DELETE FROM spans WHERE trace = ANY($1)",
            "DELETE FROM superseded WHERE trace = ANY($1)",
            "DELETE FROM seals WHERE trace = ANY($1)",
            "DELETE FROM outbox_blocks WHERE trace = ANY($1)",
            "DELETE FROM outbox_texts WHERE trace = ANY($1)",
            "DELETE FROM outbox_traces WHERE trace = ANY($1)",
            "DELETE FROM outbox_moved WHERE trace = ANY($1)",
            "DELETE FROM traces WHERE id = ANY($1)",
        ];
        for sql in removals {
            db.execute(sql, &[&ids]).await.when(doing)?;
        }
        db.execute(
            "INSERT INTO outbox_erased (workspace, trace) SELECT $1::bigint, unnest($2::bigint[])",
            &[&workspace.0, &ids],
        )
        .await
        .when(doing)?;
        let tombstones: Vec<&[u8]> = traces.iter().map(|doomed| &doomed.tombstone[..]).collect();
        db.execute(
            "INSERT INTO tombstones (workspace, digest) SELECT $1::bigint, unnest($2::bytea[]) \
             ON CONFLICT DO NOTHING",
            &[&workspace.0, &tombstones],
        )
        .await
        .when(doing)?;
        record_act(&db, workspace, &act).await?;
        db.commit().await.when(doing)?;
        Ok(true)
    }

    /// Takes dead rows of what was erased out of PostgreSQL's tables now rather than when autovacuum comes
    /// round. False while a statement that began before still sees them: ask again.
    async fn scrub(&self) -> Result<bool> {
        let doing = "vacuuming after an erasure";
        let client = self.client().await?;
        // Rows that somebody may still see are not taken out.
        let row = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()",
                &[],
            )
            .await
            .when(doing)?;
        let seen = Columns::of(&row).next::<i64>()? > 0;
        client.batch_execute(VACUUM).await.when(doing)?;
        Ok(!seen)
    }

    async fn tombstones(&self, workspace: WorkspaceId, wanted: &[[u8; 16]]) -> Result<Vec<bool>> {
        let doing = "reading tombstones";
        let client = self.client().await?;
        if wanted.is_empty() {
            let any = client.query_opt("SELECT true FROM tombstones LIMIT 1", &[]).await;
            return any.when(doing).map(|row| row.map(|_| true).into_iter().collect());
        }
        let digests: Vec<&[u8]> = wanted.iter().map(|digest| &digest[..]).collect();
        let rows = client
            .query(
                "SELECT t.digest IS NOT NULL FROM unnest($2::bytea[]) WITH ORDINALITY \
                 AS w (digest, place) LEFT JOIN tombstones AS t ON t.workspace = $1 \
                 AND t.digest = w.digest ORDER BY w.place",
                &[&workspace.0, &digests],
            )
            .await
            .when(doing)?;
        rows.iter().map(|row| Columns::of(row).next()).collect()
    }
}

/// ClickHouse has storage policies of its own.
#[async_trait]
impl exhibit_store::ArchiveStore for ClusterStore {}

/// Volumes and backups are encrypted by whoever runs its databases.
#[async_trait]
impl exhibit_store::EncryptStore for ClusterStore {}
