//! A survey of a protobuf body before it is decoded.
//!
//! An empty sub-message takes two bytes on the wire and a hundred in memory, so a small body could
//! become gigabytes. The survey walks the structure without decoding anything, counts entries and
//! values, and bounds the depth of nested values. Damage is left for the decoder to name.

use exhibit_model::Limits;

use crate::DecodeError;

/// Values and other small messages a body may hold beyond one for each [`BYTES_PER_NODE`] bytes.
const NODES_FREE: usize = 500_000;
/// Real attributes take at least this many bytes each.
const BYTES_PER_NODE: usize = 12;

/// Bodies up to this size are not surveyed: decoded whole they stay below some 70 MB, and the limits
/// on entries and depth are enforced while they are read.
const SMALL: usize = 512 << 10;

/// The fields of a message that hold messages worth counting.
pub(super) struct Shape {
    /// Field number, the shape of what it holds, and whether each is an entry of the request.
    fields: &'static [(u32, &'static Shape, bool)],
}

static VALUE: Shape = Shape { fields: &[(5, &ARRAY, false), (6, &PAIRS, false)] };
static ARRAY: Shape = Shape { fields: &[(1, &VALUE, false)] };
static PAIRS: Shape = Shape { fields: &[(1, &PAIR, false)] };
static PAIR: Shape = Shape { fields: &[(2, &VALUE, false)] };
static RESOURCE: Shape = Shape { fields: &[(1, &PAIR, false)] };
static SCOPE: Shape = Shape { fields: &[(3, &PAIR, false)] };
static EVENT: Shape = Shape { fields: &[(3, &PAIR, false)] };
static LINK: Shape = Shape { fields: &[(4, &PAIR, false)] };
static SPAN: Shape =
    Shape { fields: &[(9, &PAIR, false), (11, &EVENT, false), (13, &LINK, false)] };
static SCOPE_SPANS: Shape = Shape { fields: &[(1, &SCOPE, false), (2, &SPAN, true)] };
static RESOURCE_SPANS: Shape = Shape { fields: &[(1, &RESOURCE, false), (2, &SCOPE_SPANS, false)] };
pub(super) static TRACES: Shape = Shape { fields: &[(1, &RESOURCE_SPANS, false)] };

static RECORD: Shape = Shape { fields: &[(5, &VALUE, false), (6, &PAIR, false)] };
static SCOPE_LOGS: Shape = Shape { fields: &[(1, &SCOPE, false), (2, &RECORD, true)] };
static RESOURCE_LOGS: Shape = Shape { fields: &[(1, &RESOURCE, false), (2, &SCOPE_LOGS, false)] };
pub(super) static LOGS: Shape = Shape { fields: &[(1, &RESOURCE_LOGS, false)] };

static POINT: Shape = Shape { fields: &[(7, &PAIR, false), (9, &PAIR, false), (1, &PAIR, false)] };
static POINTS: Shape = Shape { fields: &[(1, &POINT, false)] };
static METRIC: Shape = Shape {
    fields: &[
        (5, &POINTS, false),
        (7, &POINTS, false),
        (9, &POINTS, false),
        (10, &POINTS, false),
        (11, &POINTS, false),
    ],
};
static SCOPE_METRICS: Shape = Shape { fields: &[(1, &SCOPE, false), (2, &METRIC, true)] };
static RESOURCE_METRICS: Shape =
    Shape { fields: &[(1, &RESOURCE, false), (2, &SCOPE_METRICS, false)] };
pub(super) static METRICS: Shape = Shape { fields: &[(1, &RESOURCE_METRICS, false)] };

struct Survey {
    nodes_left: usize,
    entries_left: usize,
    depth_max: usize,
    limits: (usize, usize),
}

/// Refuses a body that would take far more memory than its length suggests.
pub(super) fn survey(body: &[u8], shape: &Shape, limits: &Limits) -> Result<(), DecodeError> {
    if body.len() <= SMALL {
        return Ok(());
    }
    let nodes = NODES_FREE + body.len() / BYTES_PER_NODE;
    let entries = limits.spans_per_request_max;
    let mut survey = Survey {
        nodes_left: nodes,
        entries_left: entries,
        // Five messages enclose an attribute's value; a list in a value takes two more.
        depth_max: limits.depth_max.saturating_add(5).min(96),
        limits: (nodes, entries),
    };
    survey.walk(body, shape, 0)
}

impl Survey {
    fn walk(&mut self, mut rest: &[u8], shape: &Shape, depth: usize) -> Result<(), DecodeError> {
        if depth > self.depth_max {
            return Err(DecodeError::TooDeep { max: self.depth_max.saturating_sub(5) });
        }
        while !rest.is_empty() {
            let Some((number, field, after)) = next(rest) else { return Ok(()) };
            rest = after;
            let Some(inner) = field else { continue };
            let Some((_, shape, entry)) = shape.fields.iter().find(|(n, _, _)| *n == number) else {
                continue;
            };
            let Some(left) = self.nodes_left.checked_sub(1) else {
                return Err(DecodeError::TooMany { what: "values", max: self.limits.0 });
            };
            self.nodes_left = left;
            if *entry {
                let Some(left) = self.entries_left.checked_sub(1) else {
                    let max = self.limits.1;
                    return Err(DecodeError::TooMany { what: "spans or records", max });
                };
                self.entries_left = left;
            }
            self.walk(inner, shape, depth + 1)?;
        }
        Ok(())
    }
}

/// A field: its number, its bytes where it is length-delimited, and what follows.
pub(super) type Piece<'a> = (u32, Option<&'a [u8]>, &'a [u8]);

/// Reads one field; `None` for damage.
pub(super) fn next(bytes: &[u8]) -> Option<Piece<'_>> {
    let (tag, rest) = varint(bytes)?;
    let number = u32::try_from(tag >> 3).ok()?;
    match tag & 7 {
        0 => varint(rest).map(|(_, rest)| (number, None, rest)),
        1 => rest.get(8..).map(|rest| (number, None, rest)),
        5 => rest.get(4..).map(|rest| (number, None, rest)),
        2 => {
            let (length, rest) = varint(rest)?;
            let length = usize::try_from(length).ok()?;
            if length > rest.len() {
                return None;
            }
            let (inner, rest) = rest.split_at(length);
            Some((number, Some(inner), rest))
        }
        _ => None,
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (at * 7).min(63);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}
