//! Making and updating the tables, by one node at a time.
//!
//! PostgreSQL's are made in one transaction under an advisory lock; ClickHouse's follow under the same
//! lock, by statements that can be run again. What was made is noted in PostgreSQL, so that a table that
//! was changed by hand is found when a node starts.

mod inherit;
mod named;

use exhibit_store::StoreError;
use tokio_postgres::{Client, Transaction};

use crate::{
    failure::When,
    open::{CLICKHOUSE, OpenError, POSTGRES},
    row::Columns,
};

/// Migrations in order; the version is their number. Never changed once released.
const POSTGRES_MIGRATIONS: &[&str] = &[
    include_str!("../migrations/postgres/0001_initial.sql"),
    include_str!("../migrations/postgres/0002_sealed.sql"),
    include_str!("../migrations/postgres/0003_inheritance.sql"),
    include_str!("../migrations/postgres/0004_named.sql"),
];
/// The migration with which spans began to count under inherited agents and users.
const INHERITANCE: usize = 3;
/// The migration with which a trace is found under every agent and user that it names.
const NAMED: usize = 4;
const CLICKHOUSE_MIGRATIONS: &[&str] = &[include_str!("../migrations/clickhouse/0001_initial.sql")];

/// The advisory lock of migrations: `exhibit` in ASCII.
const LOCK: i64 = 0x0065_7868_6962_6974;

/// Brings both databases to the present version. Answers with the client for the database.
pub(crate) async fn run(
    client: &mut Client,
    clickhouse: clickhouse::Client,
    database: &str,
) -> Result<clickhouse::Client, OpenError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if database.is_empty() || !database.chars().all(valid) {
        let reason = "a database name has letters, digits and _".to_owned();
        return Err(OpenError::Address { name: "clickhouse database", reason });
    }
    let doing = "updating the tables";
    let db = client.transaction().await.when(doing)?;
    db.query("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.when(doing)?;
    db.batch_execute(
        "CREATE TABLE IF NOT EXISTS schema_versions (name text PRIMARY KEY, \
         version bigint NOT NULL, columns text NOT NULL)",
    )
    .await
    .when(doing)?;
    postgres(&db).await?;
    let create = format!("CREATE DATABASE IF NOT EXISTS {database}");
    clickhouse.query(&create).execute().await.when(doing)?;
    let clickhouse = clickhouse.with_database(database);
    in_clickhouse(&db, &clickhouse, database).await?;
    db.commit().await.when(doing)?;
    Ok(clickhouse)
}

/// The version and columns that were noted.
async fn noted(db: &Transaction<'_>, name: &str) -> Result<(i64, String), StoreError> {
    let sql = "SELECT version, columns FROM schema_versions WHERE name = $1";
    let row = db.query_opt(sql, &[&name]).await.when("reading the version of the tables")?;
    let Some(row) = row else { return Ok((0, String::new())) };
    let mut c = Columns::of(&row);
    Ok((c.next()?, c.next()?))
}

async fn note(
    db: &Transaction<'_>,
    name: &str,
    version: usize,
    columns: &str,
) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO schema_versions (name, version, columns) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, columns = excluded.columns",
        &[&name, &(version as i64), &columns],
    )
    .await
    .when("noting the version of the tables")?;
    Ok(())
}

/// The first column that was noted and is not so, or the other way round.
fn compare(database: &'static str, noted: &str, found: &str) -> Result<(), OpenError> {
    let altered = |difference: String| Err(OpenError::Altered { database, difference });
    if let Some(gone) = noted.lines().find(|line| !found.lines().any(|other| other == *line)) {
        return altered(format!("{gone} is missing or has another type"));
    }
    match found.lines().find(|line| !noted.lines().any(|other| other == *line)) {
        Some(new) => altered(format!("{new} is new")),
        None => Ok(()),
    }
}

fn check_version(database: &'static str, found: i64, known: usize) -> Result<(), OpenError> {
    let known = known as i64;
    if found > known { Err(OpenError::Newer { database, found, known }) } else { Ok(()) }
}

async fn postgres(db: &Transaction<'_>) -> Result<(), OpenError> {
    let doing = "updating the tables";
    let (version, columns) = noted(db, "postgres").await?;
    check_version(POSTGRES, version, POSTGRES_MIGRATIONS.len())?;
    if version > 0 {
        compare(POSTGRES, &columns, &postgres_columns(db).await?)?;
    }
    let done = usize::try_from(version).unwrap_or(0);
    if done == POSTGRES_MIGRATIONS.len() {
        return Ok(());
    }
    for (number, sql) in (1..).zip(POSTGRES_MIGRATIONS).skip(done) {
        db.batch_execute(sql).await.when(doing)?;
        match number {
            INHERITANCE => inherit::move_sums(db).await?,
            NAMED => named::collect(db).await?,
            _ => {}
        }
    }
    let columns = postgres_columns(db).await?;
    Ok(note(db, "postgres", POSTGRES_MIGRATIONS.len(), &columns).await?)
}

async fn postgres_columns(db: &Transaction<'_>) -> Result<String, StoreError> {
    let row = db
        .query_one(
            "SELECT coalesce(string_agg(format('%s.%s %s', table_name, column_name, data_type), \
             E'\\n' ORDER BY table_name, column_name), '') FROM information_schema.columns \
             WHERE table_schema = current_schema()",
            &[],
        )
        .await
        .when("reading the columns of the tables")?;
    Columns::of(&row).next()
}

async fn in_clickhouse(
    db: &Transaction<'_>,
    clickhouse: &clickhouse::Client,
    database: &str,
) -> Result<(), OpenError> {
    // Several databases may stand in one ClickHouse; each is noted where its truth is.
    let name = format!("clickhouse {database}");
    let (version, columns) = noted(db, &name).await?;
    check_version(CLICKHOUSE, version, CLICKHOUSE_MIGRATIONS.len())?;
    if version > 0 {
        compare(CLICKHOUSE, &columns, &clickhouse_columns(clickhouse, database).await?)?;
    }
    let done = usize::try_from(version).unwrap_or(0);
    if done == CLICKHOUSE_MIGRATIONS.len() {
        return Ok(());
    }
    for sql in &CLICKHOUSE_MIGRATIONS[done..] {
        for statement in statements(sql) {
            clickhouse.query(&statement).execute().await.when("updating the tables")?;
        }
    }
    let columns = clickhouse_columns(clickhouse, database).await?;
    Ok(note(db, &name, CLICKHOUSE_MIGRATIONS.len(), &columns).await?)
}

/// The statements of a file, comments left out. No text in them holds a semicolon.
fn statements(sql: &str) -> Vec<String> {
    let lines: Vec<&str> =
        sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let statements = lines.join("\n");
    let statements = statements.split(';').map(|s| s.trim().replace('?', "??"));
    statements.filter(|statement| !statement.is_empty()).collect()
}

async fn clickhouse_columns(
    clickhouse: &clickhouse::Client,
    database: &str,
) -> Result<String, StoreError> {
    let sql = format!(
        "SELECT concat(table, '.', name, ' ', type) AS line FROM system.columns \
         WHERE database = '{database}' AND table IN ('traces', 'blocks', 'texts', 'cells') \
         ORDER BY line"
    );
    let lines = clickhouse.query(&sql).fetch_all::<String>().await;
    Ok(lines.when("reading the columns of the tables")?.join("\n"))
}
