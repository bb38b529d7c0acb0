//! Tables that both stores have alike.

use exhibit_store::{
    StoreError,
    carry::{Column, Kind, Table, Value},
};
use tokio_postgres::{GenericClient, Row, types::ToSql};

use crate::failure::{Result, When, corrupt};

/// Columns whose values PostgreSQL gives.
pub(super) const GENERATED: [(&str, &str); 6] = [
    ("workspaces", "id"),
    ("members", "joined"),
    ("api_keys", "number"),
    ("reviews", "number"),
    ("deliveries", "number"),
    ("dead_letters", "number"),
];

fn names(table: &Table, count: usize) -> String {
    let names: Vec<&str> = table.columns.iter().take(count).map(|c| c.name).collect();
    names.join(", ")
}

fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|n| format!("${n}")).collect();
    places.join(", ")
}

type Bound = Box<dyn ToSql + Sync + Send>;

fn bound(column: &Column, value: &Value) -> Result<Bound> {
    let wrong = || StoreError::Failed(format!("{}: a value of another type", column.name));
    Ok(match column.kind {
        Kind::Int | Kind::Serial => match value {
            Value::Null => Box::new(None::<i64>),
            Value::Int(n) => Box::new(*n),
            _ => return Err(wrong()),
        },
        Kind::Flag => match value {
            Value::Int(n) => Box::new(*n != 0),
            _ => return Err(wrong()),
        },
        Kind::Word => match value {
            Value::Null => Box::new(None::<String>),
            Value::Text(text) => Box::new(text.clone()),
            _ => return Err(wrong()),
        },
        Kind::Text => match value {
            Value::Null => Box::new(None::<Vec<u8>>),
            Value::Text(text) => Box::new(text.clone().into_bytes()),
            _ => return Err(wrong()),
        },
        Kind::Bytes => match value {
            Value::Null => Box::new(None::<Vec<u8>>),
            Value::Bytes(bytes) => Box::new(bytes.clone()),
            _ => return Err(wrong()),
        },
    })
}

fn all_bound(table: &Table, values: &[Value]) -> Result<Vec<Bound>> {
    table.columns.iter().zip(values).map(|(column, value)| bound(column, value)).collect()
}

fn lent(bound: &[Bound]) -> Vec<&(dyn ToSql + Sync)> {
    bound.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
}

fn value(row: &Row, at: usize, kind: Kind) -> Result<Value> {
    let failed = |error: tokio_postgres::Error| StoreError::Failed(format!("column {at}: {error}"));
    let found = match kind {
        Kind::Int | Kind::Serial => {
            row.try_get::<_, Option<i64>>(at).map_err(failed)?.map(Value::Int)
        }
        Kind::Flag => {
            row.try_get::<_, Option<bool>>(at).map_err(failed)?.map(|is| Value::Int(is.into()))
        }
        Kind::Word => row.try_get::<_, Option<String>>(at).map_err(failed)?.map(Value::Text),
        Kind::Text => {
            let bytes = row.try_get::<_, Option<Vec<u8>>>(at).map_err(failed)?;
            let text = bytes.map(String::from_utf8).transpose();
            text.map_err(|_| corrupt("text that is not UTF-8"))?.map(Value::Text)
        }
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(at).map_err(failed)?.map(Value::Bytes),
    };
    Ok(found.unwrap_or(Value::Null))
}

/// Rows after a key.
pub(super) async fn read(
    db: &impl GenericClient,
    table: &Table,
    after: Option<&[Value]>,
    limit: usize,
    whole: bool,
) -> Result<Vec<Vec<Value>>> {
    let count = if whole { table.columns.len() } else { table.compared };
    let key = names(table, table.key);
    let mut conditions = Vec::new();
    // A row that only says that there is a log says nothing.
    if table.name == "logs" {
        conditions.push("size > 0".to_owned());
    }
    let bounds = all_bound(table, after.unwrap_or_default())?;
    if after.is_some() {
        conditions.push(format!("({key}) > ({})", places(1, table.key)));
    }
    let mut sql = format!("SELECT {} FROM {}", names(table, count), table.name);
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    sql.push_str(&format!(" ORDER BY {key} LIMIT {limit}"));
    let found = db.query(&sql, &lent(&bounds)).await;
    let found = found.when("reading a table to carry it over")?;
    let read = |row: &Row| {
        let columns = table.columns.iter().take(count).enumerate();
        columns.map(|(at, column)| value(row, at, column.kind)).collect()
    };
    found.iter().map(read).collect()
}

/// Puts and removes rows.
pub(super) async fn write(
    db: &impl GenericClient,
    table: &Table,
    rows: &[Vec<Value>],
    gone: &[Vec<Value>],
) -> Result<()> {
    let doing = "writing a table that is carried over";
    let key = names(table, table.key);
    if !gone.is_empty() {
        let sql = format!("DELETE FROM {} WHERE ({key}) = ({})", table.name, places(1, table.key));
        let remove = db.prepare(&sql).await.when(doing)?;
        for key in gone {
            db.execute(&remove, &lent(&all_bound(table, key)?)).await.when(doing)?;
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let count = table.columns.len();
    let news: Vec<String> = table
        .columns
        .iter()
        .skip(table.key)
        .filter(|column| column.kind != Kind::Serial)
        .map(|column| format!("{0} = excluded.{0}", column.name))
        .collect();
    let news = if news.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", news.join(", "))
    };
    let sql = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) ON CONFLICT ({key}) DO {news}",
        table.name,
        names(table, count),
        places(1, count),
    );
    let put = db.prepare(&sql).await.when(doing)?;
    for row in rows {
        db.execute(&put, &lent(&all_bound(table, row)?)).await.when(doing)?;
    }
    Ok(())
}
