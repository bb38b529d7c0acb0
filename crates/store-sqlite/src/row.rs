//! Rows of tables as values of the model.

pub(crate) mod context;
pub(crate) mod payload;
pub(crate) mod span;
pub(crate) mod trace;

use exhibit_model::{Nanos, RecordId, SpanId, TraceId};
use rusqlite::types::ValueRef;

use crate::failure::{Result, corrupt};

/// A client's trace id as stored.
pub(crate) fn trace_id(text: &str) -> Result<TraceId> {
    TraceId::new(text).map_err(|_| corrupt("a trace id that no client could have sent"))
}

/// A span id as stored; the reserved one included.
pub(crate) fn span_id(text: &str) -> Result<SpanId> {
    if text == SpanId::REGISTRATION {
        return Ok(SpanId::registration());
    }
    SpanId::new(text).map_err(|_| corrupt("a span id that no client could have sent"))
}

/// The columns of a row, from left to right.
pub(crate) struct Columns<'r> {
    row: &'r rusqlite::Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r rusqlite::Row<'r>) -> Self {
        Self::from(row, 0)
    }

    /// The columns after the first `skip`.
    pub(crate) fn from(row: &'r rusqlite::Row<'r>, skip: usize) -> Self {
        Self { row, next: skip }
    }

    fn value(&mut self) -> Result<ValueRef<'r>> {
        let value = self.row.get_ref(self.next).map_err(|_| corrupt("a column is missing"))?;
        self.next += 1;
        Ok(value)
    }

    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>> {
        match self.value()? {
            ValueRef::Integer(n) => Ok(Some(n)),
            ValueRef::Null => Ok(None),
            _ => Err(corrupt("a column that is not a number")),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64> {
        self.int_or_null()?.ok_or_else(|| corrupt("a number is missing"))
    }

    pub(crate) fn count(&mut self) -> Result<u64> {
        u64::try_from(self.int()?).map_err(|_| corrupt("a count below zero"))
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        Ok(self.int()? != 0)
    }

    pub(crate) fn time(&mut self) -> Result<Nanos> {
        self.int().map(Nanos)
    }

    pub(crate) fn time_or_null(&mut self) -> Result<Option<Nanos>> {
        Ok(self.int_or_null()?.map(Nanos))
    }

    pub(crate) fn text_or_null(&mut self) -> Result<Option<&'r str>> {
        match self.value()? {
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| corrupt("a text that is not Unicode")),
            ValueRef::Null => Ok(None),
            _ => Err(corrupt("a column that is not a text")),
        }
    }

    pub(crate) fn text(&mut self) -> Result<&'r str> {
        self.text_or_null()?.ok_or_else(|| corrupt("a text is missing"))
    }

    pub(crate) fn string_or_null(&mut self) -> Result<Option<String>> {
        Ok(self.text_or_null()?.map(str::to_owned))
    }

    pub(crate) fn bytes_or_null(&mut self) -> Result<Option<&'r [u8]>> {
        match self.value()? {
            ValueRef::Blob(bytes) => Ok(Some(bytes)),
            ValueRef::Null => Ok(None),
            _ => Err(corrupt("a column that is not bytes")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'r [u8]> {
        self.bytes_or_null()?.ok_or_else(|| corrupt("bytes are missing"))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        array(self.bytes()?)
    }

    pub(crate) fn array_or_null<const N: usize>(&mut self) -> Result<Option<[u8; N]>> {
        self.bytes_or_null()?.map(array).transpose()
    }

    pub(crate) fn record(&mut self) -> Result<RecordId> {
        self.array().map(RecordId)
    }

    /// A word of the model by its code.
    pub(crate) fn word<T>(&mut self, from_code: impl Fn(i64) -> Option<T>) -> Result<T> {
        from_code(self.int()?).ok_or_else(|| corrupt("a code without a meaning"))
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| corrupt("bytes of the wrong length"))
}
