//! Facets on their way into the tables.
//!
//! A trace has about thirty facets, each in a place of its own in a large table. Traces that come as
//! they happen touch few pages: the newest under each value. Traces that come out of order, as in an
//! import, touch a page for each facet: eight kilobytes written per span at a million spans. Those
//! wait in a small table, and at each commit the next slice of it, by hash, moves over: neighbours
//! there share a page.

use exhibit_model::Nanos;
use rusqlite::{Connection, OptionalExtension};

use crate::failure::{Result, SqlContext};

/// A trace that starts this much before the newest one is out of order, nanoseconds.
const LATE_BY: i64 = 10 * 60 * 1_000_000_000;
/// Late facets that wait: 100 pages that every commit touches, against the 100 of a slice.
const WAITING_MAX: i64 = 32_000;

/// What is known of the tables between transactions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FacetFlow {
    /// Latest start so far.
    newest: i64,
    /// Late facets that wait; none until they were counted.
    waiting: Option<i64>,
    /// From which hash the next slice moves.
    next_hash: i64,
}

impl Default for FacetFlow {
    fn default() -> Self {
        Self { newest: i64::MIN, waiting: None, next_hash: i64::MIN }
    }
}

/// Facets to remove and to add, as (hash, start, trace); written in key order, so that neighbours
/// share their pages.
#[derive(Debug, Default)]
pub(crate) struct FacetChanges {
    removed: Vec<(i64, i64, i64)>,
    added: Vec<(i64, i64, i64)>,
}

impl FacetChanges {
    /// A trace that stood under `old` stands under `new` from now on.
    pub(crate) fn replace(
        &mut self,
        trace: i64,
        old: Option<&(Nanos, Vec<i64>)>,
        new: (Nanos, &[i64]),
    ) {
        let (start, hashes) = new;
        let Some((old_start, old_hashes)) = old else {
            self.added.extend(hashes.iter().map(|hash| (*hash, start.0, trace)));
            return;
        };
        let moved = *old_start != start;
        let gone = old_hashes.iter().filter(|h| moved || hashes.binary_search(h).is_err());
        self.removed.extend(gone.map(|hash| (*hash, old_start.0, trace)));
        let come = hashes.iter().filter(|h| moved || old_hashes.binary_search(h).is_err());
        self.added.extend(come.map(|hash| (*hash, start.0, trace)));
    }

    /// A trace stands nowhere from now on.
    pub(crate) fn remove(&mut self, trace: i64, old: Option<&(Nanos, Vec<i64>)>) {
        let Some((start, hashes)) = old else { return };
        self.removed.extend(hashes.iter().map(|hash| (*hash, start.0, trace)));
    }

    /// Writes the changes; what is known of the tables after them.
    pub(crate) fn write(mut self, db: &Connection, mut flow: FacetFlow) -> Result<FacetFlow> {
        let doing = "writing facets";
        let mut waiting = match flow.waiting {
            Some(known) => known,
            None => db
                .query_row("SELECT count(*) FROM facets_late", [], |row| row.get(0))
                .when("counting late facets")?,
        };
        self.removed.sort_unstable();
        self.added.sort_unstable();
        let mut remove = db
            .prepare_cached("DELETE FROM facets WHERE hash = ?1 AND start = ?2 AND trace = ?3")
            .when(doing)?;
        let mut remove_late = db
            .prepare_cached("DELETE FROM facets_late WHERE hash = ?1 AND start = ?2 AND trace = ?3")
            .when(doing)?;
        for key in self.removed {
            if waiting > 0 && remove_late.execute(key).when(doing)? > 0 {
                waiting -= 1;
            } else {
                remove.execute(key).when(doing)?;
            }
        }
        let newest = self.added.iter().map(|(_, start, _)| *start).max();
        flow.newest = newest.map_or(flow.newest, |newest| newest.max(flow.newest));
        let mut add = db
            .prepare_cached("INSERT INTO facets (hash, start, trace) VALUES (?1, ?2, ?3)")
            .when(doing)?;
        let mut add_late = db
            .prepare_cached("INSERT INTO facets_late (hash, start, trace) VALUES (?1, ?2, ?3)")
            .when(doing)?;
        for key in self.added {
            if key.1 < flow.newest.saturating_sub(LATE_BY) {
                add_late.execute(key).when(doing)?;
                waiting += 1;
            } else {
                add.execute(key).when(doing)?;
            }
        }
        if waiting > WAITING_MAX {
            let (moved, next_hash) = move_slice(db, flow.next_hash, waiting - WAITING_MAX)?;
            waiting -= moved;
            flow.next_hash = next_hash;
        }
        flow.waiting = Some(waiting);
        Ok(flow)
    }
}

/// Moves about `count` late facets from a hash on; how many it were, and where the next slice starts.
fn move_slice(db: &Connection, from: i64, count: i64) -> Result<(i64, i64)> {
    let doing = "moving late facets";
    let until: Option<i64> = db
        .prepare_cached(
            "SELECT hash FROM facets_late WHERE hash > ?1 ORDER BY hash LIMIT 1 OFFSET ?2",
        )
        .and_then(|mut s| s.query_row((from, count), |row| row.get(0)).optional())
        .when(doing)?;
    // Without a row that far, the slice reaches to the end and the next one begins anew.
    let upto = until.unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO facets (hash, start, trace) SELECT hash, start, trace FROM facets_late \
         WHERE hash >= ?1 AND hash <= ?2 ORDER BY hash, start, trace",
    )
    .and_then(|mut s| s.execute((from, upto)))
    .when(doing)?;
    let moved = db
        .prepare_cached("DELETE FROM facets_late WHERE hash >= ?1 AND hash <= ?2")
        .and_then(|mut s| s.execute((from, upto)))
        .when(doing)?;
    let next = upto.checked_add(1).unwrap_or(i64::MIN);
    Ok((moved as i64, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(db: &Connection, table: &str) -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn late_facets_wait_move_slice_by_slice_and_can_be_removed_anywhere() {
        let db = Connection::open_in_memory().unwrap();
        crate::migrate::run(&db).unwrap();
        let mut flow = FacetFlow::default();
        let now = Nanos(1_800_000_000_000_000_000);
        let mut filed = Vec::new();
        for trace in 0..3_000_i64 {
            let mut changes = FacetChanges::default();
            let start = if trace == 0 { now } else { Nanos(now.0 - LATE_BY - trace) };
            let mut hashes: Vec<i64> =
                (0..20).map(|n| (trace * 20 + n).wrapping_mul(0x5851_f42d_4c95_7f2d)).collect();
            hashes.sort_unstable();
            changes.replace(trace, None, (start, &hashes));
            flow = changes.write(&db, flow).unwrap();
            filed.push((start, hashes));
            assert!(rows(&db, "facets_late") <= WAITING_MAX + 20);
            assert_eq!(rows(&db, "facets_late"), flow.waiting.unwrap());
        }
        assert!(rows(&db, "facets") > 0);
        assert_eq!(rows(&db, "facets") + rows(&db, "facets_late"), 60_000);
        for (trace, old) in filed.iter().enumerate() {
            let mut changes = FacetChanges::default();
            changes.replace(trace as i64, Some(old), (now, &[]));
            flow = changes.write(&db, flow).unwrap();
        }
        assert_eq!((rows(&db, "facets"), rows(&db, "facets_late")), (0, 0));
    }
}
