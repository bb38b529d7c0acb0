//! Cursors: where the next page starts, as text that only this store reads.

use serde::{Serialize, de::DeserializeOwned};

use crate::StoreError;

/// Writes a place in a list. `list` names the list, so that a cursor of one is refused by another.
pub(super) fn write<T: Serialize>(list: &str, place: &T) -> Option<String> {
    let json = serde_json::to_vec(&(list, place)).ok()?;
    let digit = |n: u8| char::from_digit(u32::from(n), 16);
    json.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// Reads a place back.
pub(super) fn read<T: DeserializeOwned>(
    list: &str,
    cursor: Option<&String>,
) -> Result<Option<T>, StoreError> {
    let Some(text) = cursor else { return Ok(None) };
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0).ok_or(StoreError::Cursor)?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|d| (d[0] << 4 | d[1]) as u8).collect();
    let (name, place): (String, T) =
        serde_json::from_slice(&bytes).map_err(|_| StoreError::Cursor)?;
    if name == list { Ok(Some(place)) } else { Err(StoreError::Cursor) }
}
