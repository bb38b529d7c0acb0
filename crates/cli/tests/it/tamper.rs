//! The database edited from outside: every value of every table, rows removed, added and swapped.

use std::{fs, path::Path};

use rusqlite::{Connection, types::Value};

use crate::{
    home::{Home, Ran},
    verify::sealed,
};

/// Columns whose change `verify` need not find, and why.
const NOT_EVIDENCE: &[(&str, &str)] = &[
    ("counters.*", "bookkeeping of the store: shown nowhere"),
    ("settings.*", "bookkeeping of the installation, such as how far a sink came: no API shows it"),
    ("api_keys.number", "order of rows"),
    ("api_keys.last_used", "a note of the last use, to the minute"),
    ("traces.records", "bookkeeping of the store: shown nowhere"),
    ("traces.contexts", "bookkeeping of the store: shown nowhere"),
    ("traces.leaves", "bookkeeping: when the next seal is due"),
    ("traces.covered", "bookkeeping: when the next seal is due"),
    ("traces.seals", "bookkeeping: number of the next seal"),
    ("traces.root_received", "bookkeeping: when the next seal is due"),
    ("spans.digest", "recognises re-deliveries: shown nowhere"),
    ("superseded.digest", "recognises re-deliveries: shown nowhere"),
    ("responses.*", "bookkeeping: what `counted` is decided by"),
    ("blocks.trace", "tells what to erase: shown nowhere"),
    ("seals.number", "order of the seals, which their leaves state too"),
    ("rollup_deltas.id", "order of a queue"),
    ("logs.frontier", "a cache of the tree's right edge"),
    ("logs.published", "bookkeeping: which heads are still to be entered"),
    ("leaf_runs.id", "a row's number"),
    ("checkpoints.signed", "the note itself is what is shown"),
];

/// Columns that are shown or searched and whose change is not found yet. Each one that is found from
/// now on must leave this list: it may only become shorter.
const OPEN: &[&str] = &[];

fn is_excused(table: &str, column: &str) -> bool {
    let (all, one) = (format!("{table}.*"), format!("{table}.{column}"));
    NOT_EVIDENCE.iter().any(|(place, _)| *place == all || *place == one)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Edits a copy of the data and verifies it.
fn after(home: &Home, name: &str, edit: impl FnOnce(&Connection)) -> Ran {
    let data = home.path().join(name);
    copy(&home.data(), &data);
    let db = Connection::open(data.join("exhibit.db")).unwrap();
    edit(&db);
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(db);
    let ran = home.run(&["verify", "--json", "--data-dir", data.to_str().unwrap()]);
    fs::remove_dir_all(data).unwrap();
    ran
}

fn tables(db: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn columns(db: &Connection, table: &str) -> Vec<String> {
    let mut statement = db.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
    statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Another value of the same type.
fn changed(value: Value) -> Option<Value> {
    match value {
        Value::Null | Value::Real(_) => None,
        Value::Integer(n) => Some(Value::Integer(n + 1)),
        Value::Text(text) => {
            // Inside, so that JSON stays JSON where it was.
            let at = text.char_indices().rfind(|(_, c)| c.is_ascii_alphanumeric())?.0;
            let old = text.as_bytes()[at];
            let new = if old.is_ascii_digit() { (old - b'0' + 1) % 10 + b'0' } else { old ^ 1 };
            let mut bytes = text.into_bytes();
            bytes[at] = if new.is_ascii_alphanumeric() { new } else { b'b' };
            String::from_utf8(bytes).ok().map(Value::Text)
        }
        Value::Blob(mut bytes) => {
            let at = bytes.len().checked_sub(1)? / 2;
            bytes[at] ^= 1;
            Some(Value::Blob(bytes))
        }
    }
}

/// Changes the last value of a column that can be changed; false when there is none.
fn change(db: &Connection, table: &str, column: &str) -> bool {
    let keys = primary_key(db, table);
    let list = keys.iter().map(|k| format!("\"{k}\"")).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT \"{column}\", {list} FROM {table} WHERE \"{column}\" IS NOT NULL");
    let rows: Vec<Vec<Value>> = db
        .prepare(&sql)
        .unwrap()
        .query_map([], |row| (0..=keys.len()).map(|i| row.get(i)).collect())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for mut row in rows.into_iter().rev() {
        let Some(new) = changed(row[0].clone()) else { continue };
        row[0] = new;
        let place = keys
            .iter()
            .enumerate()
            .map(|(n, key)| format!("\"{key}\" IS ?{}", n + 2))
            .collect::<Vec<_>>()
            .join(" AND ");
        let sql = format!("UPDATE {table} SET \"{column}\" = ?1 WHERE {place}");
        if db.execute(&sql, rusqlite::params_from_iter(row)).is_ok_and(|n| n == 1) {
            return true;
        }
    }
    false
}

fn primary_key(db: &Connection, table: &str) -> Vec<String> {
    let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_change_of_any_value_is_found() {
    let home = sealed();
    let db = Connection::open(home.data().join("exhibit.db")).unwrap();
    let mut places = Vec::new();
    for table in tables(&db) {
        for column in columns(&db, &table) {
            places.push((table.clone(), column));
        }
    }
    drop(db);
    assert!(places.len() > 80, "the schema was read");
    let (mut missed, mut closed, mut tried) = (Vec::new(), Vec::new(), 0);
    for (table, column) in places {
        let place = format!("{table}.{column}");
        let mut did = false;
        let ran = after(&home, "edited", |db| did = change(db, &table, &column));
        if !did {
            continue;
        }
        tried += 1;
        // Without its checkpoint a log is undecided, which is not valid either.
        let found = ran.code == 1 || (table == "checkpoints" && ran.code == 3);
        assert!([0, 1, 3].contains(&ran.code), "{place}: {}{}", ran.out, ran.err);
        match (found, OPEN.contains(&place.as_str())) {
            (true, true) => closed.push(place),
            (false, false) if !is_excused(&table, &column) => {
                missed.push(format!("{place}: {}", ran.out.trim()));
            }
            _ => {}
        }
    }
    assert!(tried > 60, "only {tried} values could be changed");
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
    assert!(closed.is_empty(), "found now; take them off the list of open ones: {closed:?}");
}

#[test]
fn removed_rows_are_found() {
    let home = sealed();
    let tables = ["spans", "traces", "superseded", "seals", "blocks", "leaf_runs", "logs"];
    for table in tables {
        let ran = after(&home, "edited", |db| {
            let sql = format!(
                "DELETE FROM {table} WHERE _rowid_ IN (SELECT _rowid_ FROM {table} LIMIT 1)"
            );
            if db.execute(&sql, []).is_err() {
                // A table without row numbers.
                let key = primary_key(db, table).join(", ");
                let sql = format!(
                    "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} LIMIT 1)"
                );
                assert_eq!(db.execute(&sql, []).unwrap(), 1, "{table}");
            }
        });
        assert_eq!(ran.code, 1, "{table}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn without_its_checkpoints_a_log_is_not_called_valid() {
    let home = sealed();
    let ran = after(&home, "edited", |db| {
        assert!(db.execute("DELETE FROM checkpoints", []).unwrap() > 0);
    });
    assert!([1, 3].contains(&ran.code), "{}{}", ran.out, ran.err);
}

#[test]
fn an_altered_record_is_named() {
    let home = sealed();
    let ran = after(&home, "edited", |db| {
        assert_eq!(
            db.execute("UPDATE spans SET start = start + 1 WHERE span_id = 'tool'", []).unwrap(),
            2
        );
    });
    let report = ran.ended(1).json();
    assert_eq!(report["verdict"], "altered");
    for trace in ["alpha", "beta"] {
        let named = report["faults"].as_array().unwrap().iter().any(|fault| {
            fault["trace_id"] == trace && fault["span_id"] == "tool" && fault["index"].is_u64()
        });
        assert!(named, "{report}");
    }
}

#[test]
fn an_inserted_copy_is_found() {
    let home = sealed();
    let ran = after(&home, "edited", |db| {
        let columns = columns(db, "spans").iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>();
        let copied = columns
            .iter()
            .map(|c| if c == "\"span_id\"" { "'copy'".to_owned() } else { c.clone() })
            .collect::<Vec<_>>();
        let sql = format!(
            "INSERT INTO spans ({}) SELECT {} FROM spans WHERE span_id = 'tool' LIMIT 1",
            columns.join(", "),
            copied.join(", ")
        );
        assert_eq!(db.execute(&sql, []).unwrap(), 1);
    });
    let report = ran.ended(1).json();
    let named = report["faults"].as_array().unwrap().iter().any(|f| f["span_id"] == "copy");
    assert!(named, "{report}");
}

#[test]
fn swapped_payloads_are_found() {
    let home = sealed();
    let ran = after(&home, "edited", |db| {
        let data = |which: &str| {
            let sql = format!("SELECT id, raw_bytes, data FROM blocks ORDER BY id {which} LIMIT 1");
            let row = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?, r.get(2)?));
            db.query_row::<(i64, i64, Vec<u8>), _, _>(&sql, [], row).unwrap()
        };
        let (one, other) = (data("ASC"), data("DESC"));
        assert_ne!(one.0, other.0);
        let sql = "UPDATE blocks SET raw_bytes = ?2, data = ?3 WHERE id = ?1";
        db.execute(sql, (one.0, other.1, &other.2)).unwrap();
        db.execute(sql, (other.0, one.1, &one.2)).unwrap();
    });
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
}

#[test]
fn a_single_trace_is_checked_as_strictly() {
    let home = sealed();
    let data = home.path().join("edited");
    copy(&home.data(), &data);
    let db = Connection::open(data.join("exhibit.db")).unwrap();
    db.execute("UPDATE spans SET start = start + 1 WHERE span_id = 'root'", []).unwrap();
    drop(db);
    let data = data.to_str().unwrap();
    let found =
        home.run(&["verify", "--trace", "alpha", "--json", "--data-dir", data]).ended(1).json();
    assert_eq!(found["faults"][0]["span_id"], "root");
}
