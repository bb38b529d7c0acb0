//! Traces in the order of their seals.
//!
//! One index over all seals serves every workspace, so one call looks at a bounded piece of it: seals of
//! others, and earlier ones of the same traces, stand in between.

use exhibit_model::WorkspaceId;
use exhibit_store::{LogId, Sealed};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    failure::{Result, SqlContext},
    ledger,
    row::trace::{LISTED_COLUMNS, ListedTrace},
};

/// Seals that one call looks at.
const LOOKED_AT: i64 = 10_000;

const END: &str = "SELECT leaf FROM seals INDEXED BY seals_by_leaf WHERE leaf >= ?1 AND leaf < ?2 \
     ORDER BY leaf LIMIT 1 OFFSET ?3";

fn rows_sql() -> String {
    format!(
        "SELECT {LISTED_COLUMNS} FROM seals AS s INDEXED BY seals_by_leaf \
         CROSS JOIN traces AS t ON t.id = s.trace AND t.workspace = ?3 AND t.seals = s.number + 1 \
         WHERE s.leaf >= ?1 AND s.leaf < ?2 ORDER BY s.leaf LIMIT ?4"
    )
}

/// The traces sealed at `from` or later.
pub(crate) fn sealed(
    db: &Connection,
    workspace: WorkspaceId,
    from: u64,
    limit: usize,
) -> Result<Sealed> {
    let doing = "reading sealed traces";
    let size = ledger::head(db, LogId::Workspace(workspace))?.size;
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    if from >= size || limit == 0 {
        return Ok(Sealed { rows: Vec::new(), next: size.min(from) });
    }
    let last: Option<i64> = db
        .prepare_cached(END)
        .and_then(|mut s| {
            s.query_row((whole(from), whole(size), LOOKED_AT), |row| row.get(0)).optional()
        })
        .when(doing)?;
    // All seals with the last number are looked at, of however many workspaces.
    let end = last.map_or(whole(size), |last| last.saturating_add(1));
    let mut statement = db.prepare_cached(&rows_sql()).when(doing)?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = statement.query((whole(from), end, workspace.0, most)).when(doing)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().when(doing)? {
        let listed = ListedTrace::read(row, 0)?.with_seal(db)?.with_reviews(db, workspace)?;
        rows.push(listed.row);
    }
    let full = rows.len() == limit;
    let seal = rows.last().and_then(|row| row.seal.as_ref()).filter(|_| full);
    let next = seal.map_or(u64::try_from(end).unwrap_or(size), |seal| seal.index + 1);
    Ok(Sealed { rows, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(db: &Connection, sql: &str) -> String {
        let mut explained = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nulls = vec![rusqlite::types::Null; explained.parameter_count()];
        let rows = explained
            .query_map(rusqlite::params_from_iter(nulls), |row| row.get::<_, String>(3))
            .unwrap();
        rows.map(std::result::Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_index_is_walked_and_nothing_is_sorted() {
        let db = Connection::open_in_memory().unwrap();
        crate::migrate::run(&db).unwrap();
        for sql in [END.to_owned(), rows_sql()] {
            let plan = plan(&db, &sql);
            assert!(plan.contains("INDEX seals_by_leaf (leaf>? AND leaf<?)"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
        assert!(plan(&db, &rows_sql()).contains("t USING INTEGER PRIMARY KEY"));
    }
}
