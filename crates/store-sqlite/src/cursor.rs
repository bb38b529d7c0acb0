//! Cursors: where the next page starts, as text that only the list that wrote it reads.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use exhibit_store::StoreError;

use crate::{failure::Result, varint};

/// Which list a cursor belongs to. Never reused: cursors outlive an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    TracesNewest = 1,
    TracesOldest = 2,
    Spans = 3,
    Sessions = 4,
    AuditTraces = 5,
    AuditRollups = 6,
    History = 7,
}

/// Longest cursor that is looked at.
const TEXT_MAX: usize = 4_096;

/// A place in a list: a number to sort by, and what decides between equals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<T> {
    pub(crate) start: i64,
    pub(crate) tie: T,
}

/// What decides between equals.
pub(crate) trait Tie: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(bytes: &[u8]) -> Option<Self>;
}

impl Tie for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        varint::put_signed(out, *self);
    }

    fn take(mut bytes: &[u8]) -> Option<Self> {
        varint::take_signed(&mut bytes).filter(|_| bytes.is_empty())
    }
}

impl Tie for String {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

impl Tie for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

/// Marks bytes as a cursor, so that other texts are refused.
const MARK: u8 = 0xe7;

/// Writes a place.
pub(crate) fn write<T: Tie>(list: List, place: &Place<T>) -> String {
    let mut bytes = vec![MARK, list as u8];
    bytes.extend_from_slice(&place.start.to_be_bytes());
    place.tie.put(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a place back.
pub(crate) fn read<T: Tie>(list: List, cursor: Option<&String>) -> Result<Option<Place<T>>> {
    let Some(text) = cursor else { return Ok(None) };
    if text.len() > TEXT_MAX {
        return Err(StoreError::Cursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StoreError::Cursor)?;
    let place = bytes.strip_prefix(&[MARK, list as u8]).and_then(|rest| {
        let (start, tie) = rest.split_first_chunk::<8>()?;
        Some(Place { start: i64::from_be_bytes(*start), tie: T::take(tie)? })
    });
    place.map(Some).ok_or(StoreError::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_by_its_own_list_only() {
        let place = Place { start: -5, tie: 77_i64 };
        let text = write(List::TracesNewest, &place);
        assert_eq!(read(List::TracesNewest, Some(&text)).unwrap(), Some(place));
        assert!(matches!(read::<i64>(List::TracesOldest, Some(&text)), Err(StoreError::Cursor)));
        let cut = text[..text.len() - 2].to_owned();
        assert!(matches!(read::<i64>(List::TracesNewest, Some(&cut)), Err(StoreError::Cursor)));
    }
}
