//! From raw attributes to the fields that everything else reads.
//!
//! One pass over the attributes collects, for each field, the candidate of the smallest rank; then
//! the fields are filled. Nothing here names an attribute: that is the dialects' business. Content is
//! only told apart (see [`Attribute::part`](exhibit_model::Attribute)), never copied.

mod fill;
mod gather;
mod usage;

use exhibit_model::{Flag, Span};

pub(crate) use gather::walk;

/// The version of the mapping. Stored with every span, so that a better mapping can find what an
/// older one filled.
pub const MAPPING_VERSION: u32 = 4;

/// Flags that follow from raw fields alone and are computed anew each time.
const OWN: [Flag; 9] = [
    Flag::StartMissing,
    Flag::EndBeforeStart,
    Flag::FutureStamp,
    Flag::PastStamp,
    Flag::SelfParent,
    Flag::MaskedAtSource,
    Flag::UsageUnreadable,
    Flag::UsageExclusive,
    Flag::AggregateUsage,
];

/// A stamp further ahead than this is odd: five minutes, the tolerance for clocks.
const FUTURE_NS: i64 = 5 * 60 * 1_000_000_000;
/// A stamp further back than this is odd: a year.
const PAST_NS: i64 = 366 * 24 * 3_600 * 1_000_000_000;

/// Fills all mapped fields from the raw ones and sorts the attributes into their parts.
///
/// Deterministic and idempotent: equal raw fields give equal mapped fields, whatever stood in them
/// before. Cost, findings, evaluations and decision are not touched. A span without a status of its
/// own becomes an error when a dialect has evidence of failure; never the other way round.
pub fn map(span: &mut Span) {
    span.flags.retain(|flag| !OWN.contains(flag));
    let mut gathered = gather::gather(span);
    let parts = std::mem::take(&mut gathered.parts);
    let filled = fill::fill(span, gathered);
    for (attribute, part) in span.attributes.iter_mut().zip(parts) {
        attribute.part = part;
    }
    filled.apply(span);
    span.mapping_version = MAPPING_VERSION;
    stamps(span);
    // Some flags were there before and some are new each time: their order must not tell which.
    span.flags.sort_unstable();
}

fn stamps(span: &mut Span) {
    if span.span_id.is_registration() {
        return;
    }
    if span.start.is_none() {
        span.flag(Flag::StartMissing);
    }
    if let (Some(start), Some(end)) = (span.start, span.end)
        && end < start
    {
        span.flag(Flag::EndBeforeStart);
    }
    let received = span.received.0;
    if received > 0 {
        for stamp in [span.start, span.end].into_iter().flatten() {
            let ahead = stamp.0.saturating_sub(received);
            if ahead > FUTURE_NS {
                span.flag(Flag::FutureStamp);
            } else if ahead < -PAST_NS {
                span.flag(Flag::PastStamp);
            }
        }
    }
    if span.parent_id.as_ref() == Some(&span.span_id) {
        span.flag(Flag::SelfParent);
    }
}
