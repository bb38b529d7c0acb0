//! The rows of a Parquet file as JSON objects, one key per column.

use std::fs::File;

use anyhow::Context as _;
use jiff::Timestamp;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::{Field, Row, reader::RowIter},
};
use serde_json::{Map, Value, json};

/// A table's rows.
pub(super) struct Table {
    rows: RowIter<'static>,
    count: u64,
}

impl Table {
    /// Opens a table.
    pub(super) fn open(file: File) -> anyhow::Result<Self> {
        let reader = SerializedFileReader::new(file).context("it is no Parquet file that reads")?;
        let count = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        Ok(Self { rows: RowIter::from_file_into(Box::new(reader)), count })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        self.count
    }
}

impl Iterator for Table {
    type Item = anyhow::Result<Value>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next().map(|row| Ok(object(&row.context("a row does not read")?)))
    }
}

fn object(row: &Row) -> Value {
    let columns = row.get_column_iter().map(|(name, field)| (name.clone(), value(field)));
    Value::Object(columns.collect::<Map<String, Value>>())
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => json!(truth),
        Field::Byte(n) => json!(n),
        Field::Short(n) => json!(n),
        Field::Int(n) => json!(n),
        Field::Long(n) => json!(n),
        Field::UByte(n) => json!(n),
        Field::UShort(n) => json!(n),
        Field::UInt(n) => json!(n),
        Field::ULong(n) => json!(n),
        Field::Float16(n) => json!(f32::from(*n)),
        Field::Float(n) => json!(n),
        // Not a number stands for an absent one.
        Field::Double(n) => json!(n),
        Field::Decimal(_) => json!(field.to_string()),
        Field::Str(text) => json!(text),
        Field::Bytes(bytes) => json!(String::from_utf8_lossy(bytes.data())),
        Field::TimestampMillis(ms) => time(Timestamp::from_millisecond(*ms).ok()),
        Field::TimestampMicros(us) => time(Timestamp::from_microsecond(*us).ok()),
        Field::Group(row) => object(row),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::MapInternal(map) => map
            .entries()
            .iter()
            .map(|(key, held)| {
                let key = match key {
                    Field::Str(text) => text.clone(),
                    other => other.to_string(),
                };
                (key, value(held))
            })
            .collect(),
        other => json!(other.to_string()),
    }
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(at.to_string()))
}
