//! Cells as bytes: variable-length integers, strict on reading, one form per value.

use super::{Cell, Histogram, histogram::BUCKET_MAX};

/// Bytes that are not a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// They end too early.
    #[error("a rollup cell ends too early")]
    Short,
    /// Something follows.
    #[error("a rollup cell is followed by further bytes")]
    Long,
    /// An integer is not in its shortest form or too large.
    #[error("a rollup cell holds a malformed integer")]
    Integer,
    /// Buckets are not strictly ascending, out of range, or empty.
    #[error("a rollup histogram is malformed")]
    Buckets,
}

impl Cell {
    /// The one byte form of the cell: its 18 sums, then both histograms.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(24 + 3 * (self.latency.counts.len() + self.ttft.counts.len()));
        for sum in self.sums() {
            put(&mut out, zigzag(sum));
        }
        self.latency.write(&mut out);
        self.ttft.write(&mut out);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut rest = bytes;
        let mut cell = Self::default();
        for sum in cell.sums_mut() {
            *sum = unzigzag(take(&mut rest)?);
        }
        cell.latency = Histogram::read(&mut rest)?;
        cell.ttft = Histogram::read(&mut rest)?;
        if rest.is_empty() { Ok(cell) } else { Err(CodecError::Long) }
    }
}

impl Histogram {
    /// The one byte form of the histogram: how many buckets, then for each the step from the one
    /// before and its count.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 3 * self.counts.len());
        self.write(&mut out);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut rest = bytes;
        let histogram = Self::read(&mut rest)?;
        if rest.is_empty() { Ok(histogram) } else { Err(CodecError::Long) }
    }

    fn write(&self, out: &mut Vec<u8>) {
        put(out, self.counts.len() as u64);
        let mut next = 0;
        for (bucket, n) in &self.counts {
            put(out, u64::from(*bucket) - next);
            put(out, zigzag(*n));
            next = u64::from(*bucket) + 1;
        }
    }

    fn read(rest: &mut &[u8]) -> Result<Self, CodecError> {
        let count = take(rest)?;
        if count > u64::from(BUCKET_MAX) + 1 {
            return Err(CodecError::Buckets);
        }
        let mut counts = Vec::with_capacity(count as usize);
        let mut next = 0_u64;
        for _ in 0..count {
            let bucket = next.checked_add(take(rest)?).ok_or(CodecError::Buckets)?;
            let n = unzigzag(take(rest)?);
            if bucket > u64::from(BUCKET_MAX) || n == 0 {
                return Err(CodecError::Buckets);
            }
            counts.push((bucket as u16, n));
            next = bucket + 1;
        }
        Ok(Self { counts })
    }
}

const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// LEB128.
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n as u8 & 0x7f) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take(rest: &mut &[u8]) -> Result<u64, CodecError> {
    let mut n = 0_u64;
    for (at, byte) in rest.iter().enumerate() {
        let low = u64::from(byte & 0x7f);
        if at > 9 || (at == 9 && low > 1) {
            return Err(CodecError::Integer);
        }
        n |= low << (7 * at);
        if byte & 0x80 == 0 {
            if at > 0 && *byte == 0 {
                return Err(CodecError::Integer);
            }
            *rest = &rest[at + 1..];
            return Ok(n);
        }
    }
    Err(CodecError::Short)
}
