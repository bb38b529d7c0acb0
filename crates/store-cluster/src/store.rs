//! The store: connections, what its tasks share, and its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use deadpool_postgres::{Object, Pool};
use exhibit_store::StoreError;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_postgres::{IsolationLevel, Transaction};

use crate::{
    Options,
    commit::Queue,
    failure::{Result, When},
};

/// A store of two databases. Nodes that name the same two share it.
#[derive(Debug)]
pub struct ClusterStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Queue,
    /// Tasks end when it is dropped.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// What the tasks of a node share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) pool: Pool,
    pub(crate) clickhouse: clickhouse::Client,
    /// This node, for this life of its process.
    pub(crate) node: String,
    /// The epoch under which this node leads, and until when it may believe so.
    pub(crate) lead: Mutex<Option<(i64, Instant)>>,
    /// The outbox holds as much as it may.
    pub(crate) full: AtomicBool,
    /// How full the outbox was when last looked.
    pub(crate) backlog: Mutex<crate::lease::Backlog>,
    /// What stops every write while the last of the store is carried over.
    pub(crate) frozen: Mutex<Option<crate::carry::Frozen>>,
    /// Commits of other nodes.
    pub(crate) foreign: tokio::sync::broadcast::Sender<crate::ForeignCommit>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("node", &self.node).finish_non_exhaustive()
    }
}

/// A transaction that only reads, and sees one moment of PostgreSQL.
pub(crate) async fn one_view<'a>(
    client: &'a mut Object,
    doing: &'static str,
) -> Result<deadpool_postgres::Transaction<'a>> {
    let view = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
    view.read_only(true).start().await.when(doing)
}

impl Shared {
    pub(crate) async fn client(&self) -> Result<Object> {
        self.pool.get().await.when("connecting to PostgreSQL")
    }

    /// Whether this node does the work that only one may do.
    pub(crate) fn leads(&self) -> bool {
        self.lead.lock().is_some_and(|(_, until)| Instant::now() < until)
    }

    /// Refuses the work of a node that leads no longer, in the transaction that records the work.
    pub(crate) async fn check_lead(&self, db: &Transaction<'_>) -> Result<()> {
        let lost = || StoreError::Busy { retry_after_ms: 1_000 };
        let (epoch, _) = self.lead.lock().ok_or_else(lost)?;
        let found = db
            .query_opt(
                "SELECT 1 FROM leases WHERE name = 'work' AND holder = $1 AND epoch = $2 FOR SHARE",
                &[&self.node, &epoch],
            )
            .await
            .when("checking the lease")?;
        found.map(drop).ok_or_else(lost)
    }

    /// Refuses commits while the outbox is full.
    pub(crate) fn check_outbox(&self) -> Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(StoreError::Busy { retry_after_ms: 5_000 });
        }
        Ok(())
    }

    /// A place between two steps, where tests stop a node as if it had died.
    pub(crate) fn step(&self, name: &'static str) -> Result<()> {
        match &self.options.interrupt {
            Some(interrupt) if interrupt.stops(name) => Err(StoreError::Closed),
            _ => Ok(()),
        }
    }
}

impl ClusterStore {
    pub(crate) async fn client(&self) -> Result<Object> {
        self.shared.client().await
    }

    /// Whether this node does the work that only one may do: sealing, publishing heads, shipping,
    /// deliveries.
    pub fn leads(&self) -> bool {
        self.shared.leads()
    }

    pub(crate) async fn check_lead(&self, db: &Transaction<'_>) -> Result<()> {
        self.shared.check_lead(db).await
    }

    /// Commits that other nodes make from now on. Whoever falls behind is told so and looks again.
    pub fn foreign_commits(&self) -> tokio::sync::broadcast::Receiver<crate::ForeignCommit> {
        self.shared.foreign.subscribe()
    }

    /// Ends the tasks of this node and gives its work to another. What is in the outbox stays there.
    pub async fn close(&self) {
        let _ = self.stop.send(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            let _ = task.await;
        }
        if let Ok(client) = self.client().await {
            let done = client
                .execute("UPDATE leases SET until = now() WHERE holder = $1", &[&self.shared.node])
                .await
                .when("giving up the lease");
            if let Err(error) = done {
                tracing::warn!(%error, "another node takes over when the lease has run out");
            }
        }
    }
}
