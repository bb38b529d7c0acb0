//! Logs: the sequencer, and the contract's [`LedgerStore`].
//!
//! A log is appended to under the lock of its row in `logs`, in the transaction that writes what the
//! leaves are about. A node that stalls or dies in between holds nothing afterwards: the lock ends with
//! its transaction, so two sequencers of one log cannot both commit.

use async_trait::async_trait;
use exhibit_ledger::{Frontier, Hash, empty_root};
use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{
    AdminAct, LedgerStore, LogHead, LogId, StoreError, StoredCheckpoint, span::Leaf,
};
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::{
    ClusterStore,
    failure::{Result, When, corrupt},
    row::{Columns, int},
};

/// Checkpoints of a log that are kept; older ones are thinned.
const CHECKPOINTS_KEPT: i64 = 1_000;
/// Leaves of a run at most.
const RUN_LEAVES_MAX: usize = 4_096;
/// Bytes of a run at most, before compression.
const RUN_BYTES_MAX: usize = 1 << 20;

/// The number of a log in the tables.
pub(crate) fn log_number(log: LogId) -> i64 {
    match log {
        LogId::Installation => 0,
        LogId::Workspace(workspace) => workspace.0,
    }
}

fn log_of(number: i64) -> LogId {
    if number == 0 { LogId::Installation } else { LogId::Workspace(WorkspaceId(number)) }
}

/// Logs that are held for appending, in the order of their numbers.
pub(crate) async fn hold(db: &Transaction<'_>, logs: &[i64]) -> Result<Vec<HeldLog>> {
    let doing = "holding a log";
    let sql = "SELECT log, frontier FROM logs WHERE log = ANY($1) ORDER BY log FOR UPDATE";
    let mut rows = db.query(sql, &[&logs]).await.when(doing)?;
    if rows.len() < logs.len() {
        db.execute(
            "INSERT INTO logs (log) SELECT DISTINCT unnest($1::bigint[]) ON CONFLICT DO NOTHING",
            &[&logs],
        )
        .await
        .when(doing)?;
        rows = db.query(sql, &[&logs]).await.when(doing)?;
    }
    rows.iter().map(HeldLog::read).collect()
}

/// A log whose row this transaction has locked.
#[derive(Debug)]
pub(crate) struct HeldLog {
    pub(crate) number: i64,
    frontier: Frontier,
    first: u64,
    hashes: Vec<Hash>,
    leaves: Vec<Vec<u8>>,
}

impl HeldLog {
    fn read(row: &Row) -> Result<Self> {
        let mut c = Columns::of(row);
        let number = c.next()?;
        let frontier = match c.next::<Option<&[u8]>>()? {
            None => Frontier::new(),
            Some(bytes) => Frontier::from_bytes(bytes)
                .map_err(|error| corrupt(format!("the head of log {number}: {error}")))?,
        };
        let first = frontier.size();
        Ok(Self { number, frontier, first, hashes: Vec::new(), leaves: Vec::new() })
    }

    /// Appends a leaf; its index.
    pub(crate) fn append(&mut self, leaf: Leaf) -> u64 {
        let index = self.first + self.hashes.len() as u64;
        self.hashes.push(Hash(leaf.hash));
        self.leaves.push(leaf.bytes);
        index
    }

    /// The head once everything appended is written.
    fn head(&self) -> LogHead {
        LogHead {
            log: log_of(self.number),
            size: self.frontier.size(),
            root: self.frontier.root().0,
        }
    }

    /// Writes what was appended.
    pub(crate) async fn flush(&mut self, db: &Transaction<'_>) -> Result<()> {
        if self.hashes.is_empty() {
            return Ok(());
        }
        let doing = "appending to a log";
        let tiles = self.frontier.append_many(&self.hashes);
        let mut firsts = Vec::new();
        let (mut counts, mut raws) = (Vec::new(), Vec::new());
        let (mut hashes, mut entries) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < self.leaves.len() {
            let (run, bundle) = bundle(&self.leaves[at..])?;
            let data = zstd::bulk::compress(&bundle, 1)
                .map_err(|error| StoreError::Failed(format!("compressing leaves: {error}")))?;
            firsts.push(int(self.first) + at as i64);
            counts.push(run as i64);
            raws.push(bundle.len() as i64);
            hashes.push(self.hashes[at..at + run].iter().flat_map(|h| h.0).collect::<Vec<u8>>());
            entries.push(data);
            at += run;
        }
        db.execute(
            "INSERT INTO leaf_runs (log, first, count, raw_bytes, hashes, entries) SELECT $1::bigint, r.* \
             FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[]) AS r",
            &[&self.number, &firsts, &counts, &raws, &hashes, &entries],
        )
        .await
        .when(doing)?;
        if !tiles.is_empty() {
            let levels: Vec<i64> = tiles.iter().map(|t| i64::from(t.level)).collect();
            let places: Vec<i64> = tiles.iter().map(|t| int(t.index)).collect();
            let roots: Vec<&[u8]> = tiles.iter().map(|t| &t.hash.0[..]).collect();
            db.execute(
                "INSERT INTO tiles (log, level, place, hash) SELECT $1::bigint, t.* \
                 FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS t",
                &[&self.number, &levels, &places, &roots],
            )
            .await
            .when(doing)?;
        }
        let head = self.head();
        db.execute(
            "UPDATE logs SET size = $2, root = $3, frontier = $4 WHERE log = $1",
            &[&self.number, &int(head.size), &&head.root[..], &self.frontier.to_bytes()],
        )
        .await
        .when(doing)?;
        self.first = head.size;
        self.hashes.clear();
        self.leaves.clear();
        Ok(())
    }
}

/// As many leaves as fit into a run, each behind its length in two bytes (as in tlog-tiles).
fn bundle(leaves: &[Vec<u8>]) -> Result<(usize, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut count = 0;
    for leaf in leaves.iter().take(RUN_LEAVES_MAX) {
        if count > 0 && bytes.len() + leaf.len() > RUN_BYTES_MAX {
            break;
        }
        let length = u16::try_from(leaf.len()).map_err(|_| {
            StoreError::Failed("malformed batch: a leaf beyond 65,535 bytes".to_owned())
        })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(leaf);
        count += 1;
    }
    Ok((count, bytes))
}

/// Keeps an act of administration with its leaf.
pub(crate) async fn record_act(
    db: &Transaction<'_>,
    workspace: WorkspaceId,
    act: &AdminAct,
) -> Result<()> {
    let mut logs = hold(db, &[workspace.0]).await?;
    let log = logs.first_mut().ok_or_else(|| corrupt("a log that cannot be held"))?;
    let index = log.append(act.leaf.clone());
    log.flush(db).await?;
    db.execute(
        "INSERT INTO acts (log, leaf, body) VALUES ($1, $2, $3)",
        &[&workspace.0, &int(index), &act.body],
    )
    .await
    .when("keeping an act")?;
    db.execute("SELECT pg_notify('exhibit_commits', '- act')", &[])
        .await
        .when("telling of an act")?;
    Ok(())
}

/// The runs that hold leaves `from..to`, in order.
async fn runs(
    db: &impl GenericClient,
    log: LogId,
    from: u64,
    to: u64,
    entries: &str,
) -> Result<Vec<Row>> {
    if from >= to {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT first, count, raw_bytes, hashes, {entries} FROM leaf_runs WHERE log = $1 \
         AND first < $3 AND first >= coalesce((SELECT first FROM leaf_runs WHERE log = $1 \
         AND first <= $2 ORDER BY first DESC LIMIT 1), $2) ORDER BY first"
    );
    db.query(&sql, &[&log_number(log), &int(from), &int(to)]).await.when("reading leaves")
}

/// The bytes of each leaf of a run.
fn entries(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        rest = after;
        Some(entry)
    })
}

#[async_trait]
impl LedgerStore for ClusterStore {
    async fn head(&self, log: LogId) -> Result<LogHead> {
        let client = self.client().await?;
        let row = client
            .query_opt("SELECT size, root FROM logs WHERE log = $1", &[&log_number(log)])
            .await
            .when("reading a log's head")?;
        let Some(row) = row else { return Ok(LogHead { log, size: 0, root: empty_root().0 }) };
        let mut c = Columns::of(&row);
        let size = c.count()?;
        Ok(LogHead { log, size, root: c.array_or_null()?.unwrap_or(empty_root().0) })
    }

    async fn unpublished(&self) -> Result<Vec<LogHead>> {
        if !self.leads() {
            return Ok(Vec::new());
        }
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT log, size, root FROM logs WHERE log <> 0 AND size > published ORDER BY log",
                &[],
            )
            .await
            .when("reading unpublished heads")?;
        let read = |row: &Row| {
            let mut c = Columns::of(row);
            Ok(LogHead { log: log_of(c.next()?), size: c.count()?, root: c.array()? })
        };
        rows.iter().map(read).collect()
    }

    async fn publish(&self, heads: &[LogHead], leaves: Vec<Leaf>) -> Result<LogHead> {
        if leaves.iter().any(|leaf| leaf.bytes.len() > usize::from(u16::MAX)) {
            return Err(StoreError::Failed("a leaf beyond 65,535 bytes".to_owned()));
        }
        let doing = "publishing heads";
        let mut client = self.client().await?;
        let db = client.transaction().await.when(doing)?;
        // Only one node publishes heads; acts of the installation come from any.
        if !heads.is_empty() {
            self.check_lead(&db).await?;
        }
        let mut held = hold(&db, &[0]).await?;
        let log = held.first_mut().ok_or_else(|| corrupt("a log that cannot be held"))?;
        for leaf in leaves {
            log.append(leaf);
        }
        log.flush(&db).await?;
        let workspaces = heads.iter().filter(|head| head.log != LogId::Installation);
        let (logs, sizes): (Vec<i64>, Vec<i64>) =
            workspaces.map(|head| (log_number(head.log), int(head.size))).unzip();
        db.execute(
            "UPDATE logs AS l SET published = greatest(l.published, h.size) \
             FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS h (log, size) ORDER BY log) \
             AS h WHERE l.log = h.log",
            &[&logs, &sizes],
        )
        .await
        .when(doing)?;
        let head = log.head();
        db.commit().await.when(doing)?;
        Ok(head)
    }

    async fn put_checkpoint(&self, checkpoint: StoredCheckpoint) -> Result<()> {
        let log = log_number(checkpoint.log);
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO checkpoints (log, size, root, note, signed) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (log, size) DO UPDATE SET root = excluded.root, note = excluded.note, \
                 signed = excluded.signed",
                &[
                    &log,
                    &int(checkpoint.size),
                    &&checkpoint.root[..],
                    &checkpoint.note,
                    &checkpoint.signed.0,
                ],
            )
            .await
            .when("writing a checkpoint")?;
        client
            .execute(
                "DELETE FROM checkpoints WHERE log = $1 AND size < (SELECT size FROM checkpoints \
                 WHERE log = $1 ORDER BY size DESC LIMIT 1 OFFSET $2)",
                &[&log, &CHECKPOINTS_KEPT],
            )
            .await
            .when("thinning checkpoints")?;
        Ok(())
    }

    async fn checkpoint(&self, log: LogId) -> Result<Option<StoredCheckpoint>> {
        let client = self.client().await?;
        let row = client
            .query_opt(
                "SELECT size, root, note, signed FROM checkpoints WHERE log = $1 \
                 ORDER BY size DESC LIMIT 1",
                &[&log_number(log)],
            )
            .await
            .when("reading a checkpoint")?;
        let Some(row) = row else { return Ok(None) };
        let mut c = Columns::of(&row);
        Ok(Some(StoredCheckpoint {
            log,
            size: c.count()?,
            root: c.array()?,
            note: c.next()?,
            signed: Nanos(c.next()?),
        }))
    }

    async fn leaves(&self, log: LogId, from: u64, to: u64) -> Result<Vec<Vec<u8>>> {
        let client = self.client().await?;
        let mut leaves = Vec::new();
        for row in runs(&**client, log, from, to, "entries").await? {
            let mut c = Columns::of(&row);
            let (first, count, raw) = (c.count()?, c.count()?, c.count()?);
            let _hashes: &[u8] = c.next()?;
            let wrong = || corrupt(format!("the run of leaves from {first}"));
            let raw = usize::try_from(raw).map_err(|_| wrong())?;
            if raw > 2 * RUN_BYTES_MAX {
                return Err(wrong());
            }
            let raw = zstd::bulk::decompress(c.next()?, raw).map_err(|_| wrong())?;
            if entries(&raw).count() as u64 != count {
                return Err(wrong());
            }
            let numbered = (first..).zip(entries(&raw));
            let wanted = numbered.filter(|(index, _)| (from..to).contains(index));
            leaves.extend(wanted.map(|(_, leaf)| leaf.to_vec()));
        }
        Ok(leaves)
    }

    async fn hashes(&self, log: LogId, level: u8, from: u64, to: u64) -> Result<Vec<[u8; 32]>> {
        let client = self.client().await?;
        if level > 0 {
            let rows = client
                .query(
                    "SELECT hash FROM tiles WHERE log = $1 AND level = $2 AND place >= $3 \
                     AND place < $4 ORDER BY place",
                    &[&log_number(log), &i64::from(level), &int(from), &int(to)],
                )
                .await
                .when("reading tiles")?;
            return rows.iter().map(|row| Columns::of(row).array()).collect();
        }
        let mut hashes = Vec::new();
        for row in runs(&**client, log, from, to, "NULL::bytea").await? {
            let mut c = Columns::of(&row);
            let (first, _count, _raw) = (c.count()?, c.count()?, c.count()?);
            let (run, rest) = c.next::<&[u8]>()?.as_chunks::<32>();
            if !rest.is_empty() {
                return Err(corrupt("hashes of the wrong length"));
            }
            let numbered = (first..).zip(run);
            let wanted = numbered.filter(|(index, _)| (from..to).contains(index));
            hashes.extend(wanted.map(|(_, hash)| *hash));
        }
        Ok(hashes)
    }
}
