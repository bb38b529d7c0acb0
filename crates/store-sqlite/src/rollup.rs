//! Rollup cells as stored: keys whose bytes sort as keys do, cells in few bytes, many in one blob.
//!
//! A cell of the contract is 18 sums, mostly zero, and two histograms, mostly of one bucket. In a
//! row of its own with an index entry it takes over 100 bytes, and one span touches 24 cells. Here
//! cells stand next to one another in key order: about 25 bytes each, a chunk per minute.

use exhibit_store::{
    Dimension,
    rollup::{Cell, Grain, Histogram, Key, dimension_code, dimension_from_code},
};

use crate::{
    failure::{Result, corrupt},
    varint,
};

/// Bytes of a key: grain, bucket, then dimension and value. They sort as [`Key`]s do.
pub(crate) fn key_bytes(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + key.value.as_ref().map_or(0, String::len));
    put_key(&mut bytes, key.grain.code(), key.bucket_start, &[]);
    put_place(&mut bytes, key.dimension, key.value.as_deref());
    bytes
}

/// Puts a key together from its columns.
pub(crate) fn put_key(bytes: &mut Vec<u8>, grain: i64, bucket: i64, place: &[u8]) {
    bytes.clear();
    bytes.push(grain as u8);
    bytes.extend_from_slice(&((bucket as u64) ^ (1 << 63)).to_be_bytes());
    bytes.extend_from_slice(place);
}

/// Length of the part of a key that names its bucket.
const BUCKET_BYTES: usize = 9;

/// A key apart: grain, bucket, place within the bucket.
pub(crate) fn split_key(bytes: &[u8]) -> Result<(Grain, i64, &[u8])> {
    let error = || corrupt("a rollup key");
    let (bucket, place) = bytes.split_at_checked(BUCKET_BYTES).ok_or_else(error)?;
    let grain = Grain::from_code(i64::from(bucket[0])).ok_or_else(error)?;
    let mut start = [0; 8];
    start.copy_from_slice(&bucket[1..]);
    Ok((grain, (u64::from_be_bytes(start) ^ (1 << 63)) as i64, place))
}

/// Whether two keys are of one bucket.
pub(crate) fn same_bucket(a: &[u8], b: &[u8]) -> bool {
    a.get(..BUCKET_BYTES) == b.get(..BUCKET_BYTES)
}

/// The place of a cell within its bucket: dimension, then whether there is a value, then the value.
pub(crate) fn put_place(bytes: &mut Vec<u8>, dimension: Option<Dimension>, value: Option<&str>) {
    bytes.push(dimension_code(dimension) as u8);
    if let Some(value) = value {
        bytes.push(1);
        bytes.extend_from_slice(value.as_bytes());
    }
}

/// The dimension code that a place starts with.
pub(crate) fn place_dimension(place: &[u8]) -> i64 {
    place.first().map_or(0, |code| i64::from(*code))
}

/// The key at a place of a bucket.
pub(crate) fn read_key(grain: Grain, bucket_start: i64, place: &[u8]) -> Result<Key> {
    let error = || corrupt("a rollup key");
    let (code, rest) = place.split_first().ok_or_else(error)?;
    let dimension = dimension_from_code(i64::from(*code)).ok_or_else(error)?;
    let value = match rest.split_first() {
        None => None,
        Some((1, text)) => Some(std::str::from_utf8(text).map_err(|_| error())?.to_owned()),
        Some(_) => return Err(error()),
    };
    Ok(Key { grain, bucket_start, dimension, value })
}

/// Appends a cell behind its place.
pub(crate) fn put_cell(out: &mut Vec<u8>, place: &[u8], cell: &Cell) {
    varint::put_bytes(out, place);
    let start = out.len();
    // The length is one byte for nearly every cell; longer ones are moved aside.
    out.push(0);
    encode(out, cell);
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
    } else {
        let mut prefix = Vec::with_capacity(5);
        varint::put(&mut prefix, length as u64);
        out.splice(start..=start, prefix);
    }
}

/// Takes the next place and the bytes of its cell off a blob; none at its end.
pub(crate) fn take_cell<'b>(rest: &mut &'b [u8]) -> Result<Option<(&'b [u8], &'b [u8])>> {
    if rest.is_empty() {
        return Ok(None);
    }
    let error = || corrupt("a rollup chunk");
    let place = varint::take_bytes(rest).ok_or_else(error)?;
    let cell = varint::take_bytes(rest).ok_or_else(error)?;
    Ok(Some((place, cell)))
}

fn sums(cell: &Cell) -> [i64; 18] {
    let mut sums = [0; 18];
    sums[..4].copy_from_slice(&[cell.traces, cell.spans, cell.errors, cell.calls]);
    sums[4..16].copy_from_slice(&cell.usage);
    sums[16..].copy_from_slice(&[cell.cost_nano, cell.cost_unknown]);
    sums
}

/// A bit for each sum that is not zero, those sums, then both histograms.
fn encode(out: &mut Vec<u8>, cell: &Cell) {
    let sums = sums(cell);
    let bits = sums.iter().rev().fold(0_u64, |bits, n| bits << 1 | u64::from(*n != 0));
    varint::put(out, bits);
    sums.iter().filter(|n| **n != 0).for_each(|n| varint::put_signed(out, *n));
    for histogram in [&cell.latency, &cell.ttft] {
        varint::put_bytes(out, &histogram.to_bytes());
    }
}

/// The spans of what [`put_cell`] wrote after the place.
pub(crate) fn spans_of(bytes: &[u8]) -> Result<i64> {
    const TRACES: u64 = 1;
    const SPANS: u64 = 2;
    let mut rest = bytes;
    let spans = varint::take(&mut rest).and_then(|bits| {
        if bits & TRACES != 0 {
            varint::take_signed(&mut rest)?;
        }
        if bits & SPANS != 0 { varint::take_signed(&mut rest) } else { Some(0) }
    });
    spans.ok_or_else(|| corrupt("a rollup cell"))
}

/// Adds what [`put_cell`] wrote after the place to a cell. The same as adding what
/// [`decode`] reads, without making a cell of it first.
pub(crate) fn add_encoded(sum: &mut Cell, bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    add_from(sum, &mut rest).filter(|()| rest.is_empty()).ok_or_else(|| corrupt("a rollup cell"))
}

fn add_from(sum: &mut Cell, rest: &mut &[u8]) -> Option<()> {
    let bits = varint::take(rest)?;
    if bits >> 18 != 0 {
        return None;
    }
    let first = [&mut sum.traces, &mut sum.spans, &mut sum.errors, &mut sum.calls];
    let last = [&mut sum.cost_nano, &mut sum.cost_unknown];
    let all = first.into_iter().chain(&mut sum.usage).chain(last);
    for (place, sum) in all.enumerate() {
        if bits >> place & 1 == 1 {
            *sum = sum.wrapping_add(varint::take_signed(rest)?);
        }
    }
    for histogram in [&mut sum.latency, &mut sum.ttft] {
        let mut counts = varint::take_bytes(rest)?;
        let mut next = 0_u64;
        for _ in 0..varint::take(&mut counts)? {
            let bucket = next.checked_add(varint::take(&mut counts)?)?;
            histogram.record(u16::try_from(bucket).ok()?, varint::take_signed(&mut counts)?);
            next = bucket + 1;
        }
        counts.is_empty().then_some(())?;
    }
    Some(())
}

/// Reads what [`put_cell`] wrote after the place.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<Cell> {
    decode_from(&mut bytes).filter(|_| bytes.is_empty()).ok_or_else(|| corrupt("a rollup cell"))
}

fn decode_from(rest: &mut &[u8]) -> Option<Cell> {
    let bits = varint::take(rest)?;
    let mut sums = [0; 18];
    for (place, sum) in sums.iter_mut().enumerate() {
        if bits >> place & 1 == 1 {
            *sum = varint::take_signed(rest).filter(|n| *n != 0)?;
        }
    }
    if bits >> 18 != 0 {
        return None;
    }
    let mut histogram = || Histogram::from_bytes(varint::take_bytes(rest)?).ok();
    let (latency, ttft) = (histogram()?, histogram()?);
    let mut usage = [0; 12];
    usage.copy_from_slice(&sums[4..16]);
    Some(Cell {
        traces: sums[0],
        spans: sums[1],
        errors: sums[2],
        calls: sums[3],
        usage,
        cost_nano: sums[16],
        cost_unknown: sums[17],
        latency,
        ttft,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(
        grain: Grain,
        bucket_start: i64,
        dimension: Option<Dimension>,
        value: Option<&str>,
    ) -> Key {
        Key { grain, bucket_start, dimension, value: value.map(str::to_owned) }
    }

    #[test]
    fn bytes_of_keys_sort_as_keys_do_and_read_back() {
        let mut keys = Vec::new();
        for grain in Grain::ALL {
            for bucket in [-60_000_000_000, 0, 60_000_000_000] {
                keys.push(key(grain, bucket, None, None));
                for dimension in Dimension::ALL {
                    for value in [None, Some(""), Some("a"), Some("ab"), Some("b")] {
                        keys.push(key(grain, bucket, Some(dimension), value));
                    }
                }
            }
        }
        let bytes: Vec<_> = keys.iter().map(key_bytes).collect();
        assert!(keys.is_sorted());
        assert!(bytes.is_sorted());
        for (key, bytes) in keys.iter().zip(&bytes) {
            let (grain, bucket, place) = split_key(bytes).unwrap();
            assert_eq!(&read_key(grain, bucket, place).unwrap(), key);
        }
    }

    #[test]
    fn cells_read_back() {
        let mut cell = Cell { spans: 3, cost_nano: -7, cost_unknown: 1, ..Cell::default() };
        for bucket in 0..200 {
            cell.latency.record(bucket, 5);
        }
        let mut blob = Vec::new();
        put_cell(&mut blob, &[0], &cell);
        put_cell(&mut blob, &[1], &Cell::default());
        let mut rest = blob.as_slice();
        let (place, bytes) = take_cell(&mut rest).unwrap().unwrap();
        assert_eq!((place, decode(bytes).unwrap()), (&[0_u8][..], cell));
        let (_, bytes) = take_cell(&mut rest).unwrap().unwrap();
        assert_eq!(decode(bytes).unwrap(), Cell::default());
        assert!(take_cell(&mut rest).unwrap().is_none());
    }

    #[test]
    fn adding_encoded_cells_is_adding_cells() {
        let mut cells = Vec::new();
        for n in 1..20 {
            let mut cell = Cell { spans: n, errors: -n, usage: [n; 12], ..Cell::default() };
            cell.cost_unknown = n % 3;
            for bucket in 0..n as u16 {
                cell.latency.record(bucket * 7, n);
                cell.ttft.record(1_500, 1);
            }
            cells.push(cell);
        }
        let (mut expected, mut sum) = (Cell::default(), Cell::default());
        for cell in &cells {
            expected.add(cell);
            let mut blob = Vec::new();
            put_cell(&mut blob, &[0], cell);
            let (_, bytes) = take_cell(&mut blob.as_slice()).unwrap().unwrap();
            add_encoded(&mut sum, bytes).unwrap();
            assert!(add_encoded(&mut sum.clone(), &bytes[..bytes.len() - 1]).is_err());
        }
        assert_eq!(sum, expected);
    }
}
