//! Which node leads.
//!
//! The lease runs by PostgreSQL's clock. Every change of hands raises its epoch; whoever records work
//! names the epoch under which it was done, in the transaction that records it, so a node that was
//! stopped and comes back with an old epoch records nothing.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    failure::{Result, When},
    row::Columns,
    store::Shared,
};

/// Takes or renews the lease, if no other node holds it.
pub(crate) async fn take(shared: &Shared) -> Result<bool> {
    let asked = Instant::now();
    let lease = shared.options.lease;
    let client = shared.client().await?;
    let row = client
        .query_opt(
            "INSERT INTO leases AS l (name, holder, epoch, until) \
             VALUES ('work', $1, 1, now() + $2::float8 * interval '1 second') \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, \
             epoch = CASE WHEN l.holder = excluded.holder THEN l.epoch ELSE l.epoch + 1 END, \
             until = excluded.until WHERE l.holder = excluded.holder OR l.until <= now() \
             RETURNING epoch",
            &[&shared.node, &lease.as_secs_f64()],
        )
        .await
        .when("taking the lease")?;
    let epoch = row.map(|row| Columns::of(&row).next()).transpose()?;
    // A little less than it lasts, so that this node stops before another may begin.
    let until = asked + lease * 4 / 5;
    *shared.lead.lock() = epoch.map(|epoch| (epoch, until));
    Ok(epoch.is_some())
}

/// Renews the lease until told to stop, and looks how full the outbox is.
pub(crate) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let pause = (shared.options.lease / 4).max(Duration::from_millis(50));
    let mut led = false;
    loop {
        match take(&shared).await {
            Ok(leads) if leads != led => {
                tracing::info!(node = shared.node, leads, "the lead has changed hands");
                led = leads;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
        if let Err(error) = measure(&shared).await {
            tracing::warn!(%error, "the outbox could not be measured");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

/// How full the outbox was when last looked.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Commits whose sums are not shipped.
    pub(crate) commits: i64,
    /// Bytes of payloads that are not shipped.
    pub(crate) bytes: i64,
    /// The oldest commit that is not shipped, and since when it is known.
    oldest: Option<(i64, Instant)>,
    /// The last number when looked, and when that was; the oldest first.
    looks: VecDeque<(i64, Instant)>,
}

/// How many looks are kept: at four in a lease, half an hour of ten seconds each.
const LOOKS: usize = 720;

impl Backlog {
    /// How long the oldest commit has waited, as far as known.
    pub(crate) fn lag(&self) -> Duration {
        self.oldest.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    fn note(&mut self, commits: i64, bytes: i64, oldest: Option<i64>, last: i64) {
        let now = Instant::now();
        (self.commits, self.bytes) = (commits, bytes);
        // It was there when a larger number was first seen to be given.
        let since = |number: i64| {
            let look = self.looks.iter().find(|(last, _)| *last >= number);
            look.map_or(now, |(_, at)| *at)
        };
        self.oldest = oldest.map(|number| (number, since(number)));
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((last, now));
    }
}

/// Looks how full the outbox is.
async fn measure(shared: &Shared) -> Result<()> {
    use std::sync::atomic::Ordering;
    let client = shared.client().await?;
    let row = client
        .query_one(
            "SELECT (SELECT count(*) FROM outbox_deltas), \
             (SELECT coalesce(sum(pg_column_size(data)), 0)::bigint FROM outbox_blocks), \
             (SELECT min(sequence) FROM outbox_deltas), (SELECT last_value FROM numbers)",
            &[],
        )
        .await
        .when("measuring the outbox")?;
    let mut c = Columns::of(&row);
    let (commits, bytes): (i64, i64) = (c.next()?, c.next()?);
    let bound = i64::try_from(shared.options.outbox_bytes_max).unwrap_or(i64::MAX);
    let full = bytes >= bound || commits >= shared.options.outbox_commits_max;
    if full != shared.full.swap(full, Ordering::Relaxed) {
        tracing::warn!(full, commits, bytes, "the outbox has filled up or emptied");
    }
    shared.backlog.lock().note(commits, bytes, c.next()?, c.next()?);
    Ok(())
}
