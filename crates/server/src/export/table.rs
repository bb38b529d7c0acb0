//! Parquet, in groups of rows that are written as soon as they are full.

use std::{
    io::{self, Write},
    sync::Arc,
};

use exhibit_model::JsonMap;
use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::column::{COLUMNS, Kind, real, text, whole};

/// Rows of one group; all of them are held in memory until it is full.
const ROWS: usize = 2_000;

/// A table that is being written.
pub(super) struct Table<W: Write + Send> {
    file: SerializedFileWriter<W>,
    rows: Vec<JsonMap>,
}

impl<W: Write + Send> Table<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let columns = COLUMNS.iter().map(|(name, kind)| match kind {
            Kind::Text => format!("optional binary {name} (UTF8);"),
            Kind::Whole => format!("optional int64 {name};"),
            Kind::Real => format!("optional double {name};"),
        });
        let schema = format!("message spans {{ {} }}", columns.collect::<String>());
        let schema = parse_message_type(&schema).map_err(failed)?;
        let compression = Compression::ZSTD(ZstdLevel::try_new(3).map_err(failed)?);
        let properties = WriterProperties::builder().set_compression(compression).build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties));
        Ok(Self { file: file.map_err(failed)?, rows: Vec::new() })
    }

    pub(super) fn add(&mut self, row: JsonMap) -> io::Result<()> {
        // Only what has a column is kept until the group is written.
        let kept = row.into_iter().filter(|(key, _)| COLUMNS.iter().any(|(name, _)| name == key));
        self.rows.push(kept.collect());
        if self.rows.len() >= ROWS {
            self.group()?;
        }
        Ok(())
    }

    /// Writes what is left, and the foot.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.group()?;
        self.file.into_inner().map_err(failed)?.flush()
    }

    fn group(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group().map_err(failed)?;
        for (name, kind) in COLUMNS {
            let Some(mut column) = group.next_column().map_err(failed)? else { break };
            let written = match kind {
                Kind::Text => {
                    let (values, levels) = cells(&rows, |row| {
                        text(row, name).map(|text| ByteArray::from(text.into_bytes()))
                    });
                    column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)
                }
                Kind::Whole => {
                    let (values, levels) = cells(&rows, |row| whole(row, name));
                    column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)
                }
                Kind::Real => {
                    let (values, levels) = cells(&rows, |row| real(row, name));
                    column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)
                }
            };
            written.map_err(failed)?;
            column.close().map_err(failed)?;
        }
        group.close().map(drop).map_err(failed)
    }
}

/// The values that are there, and for each row whether it has one.
fn cells<T>(rows: &[JsonMap], value: impl Fn(&JsonMap) -> Option<T>) -> (Vec<T>, Vec<i16>) {
    let all: Vec<Option<T>> = rows.iter().map(value).collect();
    let levels = all.iter().map(|value| i16::from(value.is_some())).collect();
    (all.into_iter().flatten().collect(), levels)
}

fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
