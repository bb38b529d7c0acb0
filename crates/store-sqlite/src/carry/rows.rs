//! Tables that both stores have alike.

use exhibit_store::carry::{Kind, Table, Value};
use rusqlite::{
    Connection, ToSql, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use crate::failure::{Result, SqlContext, corrupt};

/// The name of a column here.
fn column(name: &str) -> &str {
    if name == "member" { "user" } else { name }
}

fn names(table: &Table, count: usize) -> String {
    let names: Vec<String> =
        table.columns.iter().take(count).map(|c| format!("\"{}\"", column(c.name))).collect();
    names.join(", ")
}

fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|n| format!("?{n}")).collect();
    places.join(", ")
}

/// A value as a parameter.
struct Bound<'v>(&'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(kind: Kind, found: ValueRef<'_>) -> Result<Value> {
    match (kind, found) {
        (_, ValueRef::Null) => Ok(Value::Null),
        (Kind::Int | Kind::Serial | Kind::Flag, ValueRef::Integer(n)) => Ok(Value::Int(n)),
        (Kind::Word | Kind::Text, ValueRef::Text(bytes)) => std::str::from_utf8(bytes)
            .map(|text| Value::Text(text.to_owned()))
            .map_err(|_| corrupt("a text that is not Unicode")),
        (Kind::Bytes, ValueRef::Blob(bytes)) => Ok(Value::Bytes(bytes.to_vec())),
        _ => Err(corrupt("a column of another type")),
    }
}

/// Rows after a key.
pub(super) fn read(
    db: &Connection,
    table: &Table,
    after: Option<&[Value]>,
    limit: usize,
    whole: bool,
) -> Result<Vec<Vec<Value>>> {
    let doing = "reading a table to carry it over";
    let count = if whole { table.columns.len() } else { table.compared };
    let key = names(table, table.key);
    let mut sql = format!("SELECT {} FROM {}", names(table, count), table.name);
    if after.is_some() {
        sql.push_str(&format!(" WHERE ({key}) > ({})", places(1, table.key)));
    }
    sql.push_str(&format!(" ORDER BY {key} LIMIT {limit}"));
    let mut statement = db.prepare_cached(&sql).when(doing)?;
    let mut found = statement
        .query(params_from_iter(after.unwrap_or_default().iter().map(Bound)))
        .when(doing)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().when(doing)? {
        let columns = table.columns.iter().take(count).enumerate();
        let values = columns.map(|(at, column)| {
            value(column.kind, row.get_ref(at).when(doing)?)
                .map_err(|error| corrupt(format!("{}.{}: {error}", table.name, column.name)))
        });
        rows.push(values.collect::<Result<Vec<Value>>>()?);
    }
    Ok(rows)
}

/// Puts and removes rows.
pub(super) fn write(
    db: &Connection,
    table: &Table,
    rows: &[Vec<Value>],
    gone: &[Vec<Value>],
) -> Result<()> {
    let doing = "writing a table that is carried over";
    let key = names(table, table.key);
    let sql = format!("DELETE FROM {} WHERE ({key}) = ({})", table.name, places(1, table.key));
    let mut remove = db.prepare_cached(&sql).when(doing)?;
    for key in gone {
        remove.execute(params_from_iter(key.iter().map(Bound))).when(doing)?;
    }
    let count = table.columns.len();
    let news: Vec<String> = table
        .columns
        .iter()
        .skip(table.key)
        .map(|c| format!("\"{0}\" = excluded.\"{0}\"", column(c.name)))
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({key}) DO {}",
        table.name,
        names(table, count),
        places(1, count),
        if news.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", news.join(", "))
        },
    );
    let mut put = db.prepare_cached(&sql).when(doing)?;
    for row in rows {
        put.execute(params_from_iter(row.iter().map(Bound))).when(doing)?;
    }
    Ok(())
}
