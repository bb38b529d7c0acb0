//! Columns of PostgreSQL rows, read strictly.

use exhibit_model::{SpanId, TraceId};
use exhibit_store::StoreError;
use tokio_postgres::{Row, types::FromSql};

use crate::failure::{Result, corrupt};

/// Reads the columns of a row from left to right.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    at: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r Row) -> Self {
        Self { row, at: 0 }
    }

    /// The next column.
    pub(crate) fn next<T: FromSql<'r>>(&mut self) -> Result<T> {
        let at = self.at;
        self.at += 1;
        self.row.try_get(at).map_err(|error| StoreError::Failed(format!("column {at}: {error}")))
    }

    /// A number that is not below zero.
    pub(crate) fn count(&mut self) -> Result<u64> {
        u64::try_from(self.next::<i64>()?).map_err(|_| corrupt("a count below zero"))
    }

    /// Bytes of a fixed length.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.next::<&[u8]>()?.try_into().map_err(|_| corrupt("bytes of a wrong length"))
    }

    /// Bytes of a fixed length, or null.
    pub(crate) fn array_or_null<const N: usize>(&mut self) -> Result<Option<[u8; N]>> {
        let bytes = self.next::<Option<&[u8]>>()?;
        bytes.map(|b| b.try_into().map_err(|_| corrupt("bytes of a wrong length"))).transpose()
    }

    /// Text that is kept as bytes.
    pub(crate) fn text(&mut self) -> Result<String> {
        String::from_utf8(self.next()?).map_err(|_| corrupt("text that is not UTF-8"))
    }

    /// Text that is kept as bytes, or null.
    pub(crate) fn text_or_null(&mut self) -> Result<Option<String>> {
        let bytes: Option<Vec<u8>> = self.next()?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|_| corrupt("text that is not UTF-8"))
    }
}

/// A span id from the tables.
pub(crate) fn span_id(text: &str) -> Result<SpanId> {
    if text == SpanId::REGISTRATION {
        return Ok(SpanId::registration());
    }
    SpanId::new(text).map_err(|error| corrupt(format!("a span id: {error}")))
}

/// A trace id from the tables.
pub(crate) fn trace_id(text: &str) -> Result<TraceId> {
    TraceId::new(text).map_err(|error| corrupt(format!("a trace id: {error}")))
}

/// A number for a column; what does not fit becomes the largest.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A limit for a statement.
pub(crate) fn most(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
