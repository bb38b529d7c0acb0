//! Cursors: where the next page starts, as text that only the list that wrote it reads.

use exhibit_store::StoreError;
use serde::{Serialize, de::DeserializeOwned};

use crate::failure::Result;

/// Which list a cursor belongs to. Never reused: cursors outlive an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    TracesNewest = 1,
    TracesOldest = 2,
    Spans = 3,
    Sessions = 4,
    AuditTraces = 5,
    AuditRollups = 6,
}

/// Longest cursor that is looked at.
const TEXT_MAX: usize = 8_192;

/// Writes a place in a list.
pub(crate) fn write<T: Serialize>(list: List, place: &T) -> Option<String> {
    serde_json::to_vec(&(list as u8, place)).ok().map(hex::encode)
}

/// Reads a place back.
pub(crate) fn read<T: DeserializeOwned>(list: List, cursor: Option<&String>) -> Result<Option<T>> {
    let Some(text) = cursor.filter(|text| text.len() <= TEXT_MAX) else {
        return if cursor.is_none() { Ok(None) } else { Err(StoreError::Cursor) };
    };
    let bytes = hex::decode(text).map_err(|_| StoreError::Cursor)?;
    let (of, place): (u8, T) = serde_json::from_slice(&bytes).map_err(|_| StoreError::Cursor)?;
    if of == list as u8 { Ok(Some(place)) } else { Err(StoreError::Cursor) }
}
