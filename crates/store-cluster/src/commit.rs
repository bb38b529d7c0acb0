//! The commit: one PostgreSQL transaction for all batches that wait.
//!
//! In this order: hold the logs (this is the sequencer, see [`log`](crate::log)), draw numbers, load what
//! the batches touch, check every batch, apply them in memory with the contract's arithmetic, write
//! entries, rows, deltas and outbox, commit. A batch that is stale is left out and the others go on.
//! ClickHouse has no part in it.

mod apply;
mod carry;
mod kin;
mod load;
mod write;

pub(crate) use carry::put_carried;
pub(crate) use load::numbers;
pub(crate) use write::unsqueeze;

use std::{collections::HashSet, sync::Arc};

use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{Batch, CommitError, Committed, StoreError};
use tokio::sync::{mpsc, oneshot};

use self::{apply::Work, load::Loaded};
use crate::{
    failure::{Result, When},
    log,
    store::Shared,
};

/// Batches that may wait; more are refused at once.
const QUEUE: usize = 1_024;
/// Batches of one transaction at most.
const GROUP: usize = 64;
/// Spans of one transaction from which no more batches join it.
const GROUP_SPANS: usize = 4_000;

type Answer = oneshot::Sender<Result<Committed, CommitError>>;

/// Where batches wait for the next transaction.
#[derive(Debug, Clone)]
pub(crate) struct Queue(mpsc::Sender<(Batch, Answer)>);

impl Queue {
    /// Starts the task that commits.
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(serve(shared, receiver));
        Self(sender)
    }

    /// Commits a batch.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        check_form(&batch)?;
        let (answer, answered) = oneshot::channel();
        self.0.try_send((batch, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy { retry_after_ms: 200 },
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}

/// Refuses what no store can keep.
fn check_form(batch: &Batch) -> Result<()> {
    let malformed = |what: &str| Err(StoreError::Failed(format!("malformed batch: {what}")));
    let mut traces = HashSet::new();
    for write in &batch.traces {
        if !traces.insert(&write.trace_id) {
            return malformed("a trace stands in it twice");
        }
        let mut spans = HashSet::new();
        for span in &write.spans {
            if !spans.insert(&span.head.span_id) {
                return malformed("a span stands in it twice");
            }
            if span.head.trace_id != write.trace_id {
                return malformed("a span belongs to another trace");
            }
            if span.leaf.is_some() != span.head.status.is_sealed() {
                return malformed("exactly the sealed revisions have a leaf");
            }
        }
    }
    Ok(())
}

/// The traces a batch touches.
fn touched(batch: &Batch) -> impl Iterator<Item = (WorkspaceId, TraceId)> {
    let written = batch.traces.iter().map(|write| &write.trace_id);
    let sealed = batch.seals.iter().map(|seal| &seal.trace_id);
    written.chain(sealed).map(|trace| (batch.workspace, trace.clone()))
}

/// Takes what waits, as long as there are senders.
async fn serve(shared: Arc<Shared>, mut queue: mpsc::Receiver<(Batch, Answer)>) {
    let mut waiting: Option<(Batch, Answer)> = None;
    loop {
        let first = match waiting.take() {
            Some(first) => first,
            None => match queue.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        // Two batches of one transaction touch no trace together: the second is to see the first.
        let mut traces: HashSet<_> = touched(&first.0).collect();
        let spans = |batch: &Batch| batch.traces.iter().map(|t| t.spans.len()).sum::<usize>();
        let mut size = spans(&first.0);
        let mut group = vec![first];
        while group.len() < GROUP && size < GROUP_SPANS {
            let Ok(next) = queue.try_recv() else { break };
            if touched(&next.0).any(|trace| traces.contains(&trace)) {
                waiting = Some(next);
                break;
            }
            traces.extend(touched(&next.0));
            size += spans(&next.0);
            group.push(next);
        }
        let (batches, answers): (Vec<Batch>, Vec<Answer>) = group.into_iter().unzip();
        match transaction(&shared, batches).await {
            Ok(results) => {
                for (answer, result) in answers.into_iter().zip(results) {
                    let _ = answer.send(result);
                }
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(again(&error).into()));
                }
            }
        }
    }
}

/// The same error for everybody who waited.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Busy { retry_after_ms } => StoreError::Busy { retry_after_ms: *retry_after_ms },
        StoreError::Corrupt(what) => StoreError::Corrupt(what.clone()),
        StoreError::Closed => StoreError::Closed,
        error => StoreError::Failed(error.to_string()),
    }
}

#[tracing::instrument(level = "debug", name = "postgresql commit", skip_all, fields(batches = batches.len()))]
async fn transaction(
    shared: &Shared,
    batches: Vec<Batch>,
) -> Result<Vec<Result<Committed, CommitError>>> {
    let doing = "committing";
    shared.check_outbox()?;
    let mut client = shared.client().await?;
    let db = client.transaction().await.when(doing)?;
    let mut workspaces: Vec<i64> = batches.iter().map(|batch| batch.workspace.0).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    let logs = log::hold(&db, &workspaces).await?;
    let numbers = batches.iter().map(|batch| 2 * batch.traces.len() + 1).sum();
    let numbers = load::numbers(&db, numbers).await?;
    let loaded = Loaded::of(&db, &batches).await?;
    let mut work = Work::new(&shared.options.limits, loaded, logs, numbers);
    let mut results = Vec::with_capacity(batches.len());
    for batch in batches {
        results.push(match work.check(&batch) {
            Ok(()) => Ok(work.apply(batch)?),
            Err(stale) => Err(stale),
        });
    }
    if work.is_empty() {
        return Ok(results);
    }
    shared.step("apply")?;
    write::all(&db, work, &shared.node).await?;
    shared.step("write")?;
    db.commit().await.when(doing)?;
    shared.step("commit")?;
    Ok(results)
}
