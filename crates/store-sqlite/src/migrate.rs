//! Forward-only, numbered migrations.
//!
//! `user_version` is the number of the last one that ran. Each runs in its own transaction and is
//! never edited once released; a database from a newer version is refused untouched.

use exhibit_store::StoreError;
use rusqlite::Connection;

use crate::{
    failure::{Result, SqlContext},
    writer::derive,
};

/// Every migration, in order. Number n stands at place n − 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_dead_letters.sql"),
    include_str!("../migrations/0003_reviews.sql"),
    include_str!("../migrations/0004_anchors.sql"),
    include_str!("../migrations/0005_tombstones.sql"),
    include_str!("../migrations/0006_archive.sql"),
    include_str!("../migrations/0007_sealed.sql"),
    include_str!("../migrations/0008_inheritance.sql"),
    include_str!("../migrations/0009_named.sql"),
];

/// The migration with which spans began to count under inherited agents and users.
const INHERITANCE: i64 = 8;

/// The migration with which a trace is found under every agent and user that it names.
const NAMED: i64 = 9;

/// The schema this version reads and writes.
pub(crate) const VERSION: usize = MIGRATIONS.len();

/// The schema a database has.
pub(crate) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .when("reading the schema version")?;
    usize::try_from(version).map_err(|_| StoreError::Corrupt("the schema version".to_owned()))
}

/// Refuses a database that this version cannot read.
pub(crate) fn check(connection: &Connection) -> Result<usize> {
    let found = version(connection)?;
    if found > VERSION {
        return Err(StoreError::Failed(format!(
            "the database has schema {found}, this version knows only up to {VERSION}; \
             use the version that wrote it or a newer one"
        )));
    }
    Ok(found)
}

/// Brings a database up to date.
pub(crate) fn run(connection: &Connection) -> Result<()> {
    run_all(connection, MIGRATIONS)
}

fn run_all(connection: &Connection, migrations: &[&str]) -> Result<()> {
    let found = check(connection)?;
    for (number, sql) in (1_i64..).zip(migrations).skip(found) {
        let doing = "migrating the database";
        let step = connection.unchecked_transaction().when(doing)?;
        step.execute_batch(sql).when(doing)?;
        match number {
            INHERITANCE => derive::rollups(&step)?,
            NAMED => derive::names(&step)?,
            _ => {}
        }
        step.pragma_update(None, "user_version", number).when(doing)?;
        step.commit().when(doing)?;
        // A new database was not migrated from anything.
        if found > 0 {
            tracing::info!(schema = number, "database migrated");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_run_once_and_in_order() {
        let db = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y"];
        run_all(&db, &steps[..1]).unwrap();
        assert_eq!(version(&db).unwrap(), 1);
    }

    #[test]
    fn a_failed_migration_leaves_nothing_behind() {
        let db = Connection::open_in_memory().unwrap();
        assert!(run_all(&db, &["CREATE TABLE a (x); CREATE TABLE a (x)"]).is_err());
        assert_eq!(version(&db).unwrap(), 0);
        assert!(db.prepare("SELECT * FROM a").is_err());
    }

    #[test]
    fn a_newer_database_is_refused() {
        let db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        let error = run(&db).unwrap_err().to_string();
        assert!(error.contains("schema 99"), "{error}");
    }
}
