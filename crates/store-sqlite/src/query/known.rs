//! One bit for each field of which a trace may know nothing: what `has(field)` asks for.

use exhibit_model::TraceSummary;
use exhibit_store::filter::TextField;

/// The bit of a field; none for fields that have no bit.
pub(crate) fn bit(field: &TextField) -> Option<i64> {
    let place = match field {
        TextField::Name => 0,
        TextField::Model => 1,
        TextField::Provider => 2,
        TextField::Tool => 3,
        TextField::Tag => 4,
        TextField::Agent => 5,
        TextField::Session => 6,
        TextField::User => 7,
        TextField::Environment => 8,
        TextField::Version => 9,
        TextField::Service => 10,
        TextField::Rule => 14,
        TextField::Category => 15,
        TextField::Id | TextField::Metadata(_) => return None,
    };
    Some(1 << place)
}

/// The bit for a set of kinds that is not empty.
pub(crate) const KINDS: i64 = 1 << 11;
/// The bit for a set of cost sources that is not empty.
pub(crate) const COST_SOURCES: i64 = 1 << 12;
/// The bit for any metadata at all.
pub(crate) const METADATA: i64 = 1 << 13;

const FIELDS: [TextField; 13] = [
    TextField::Name,
    TextField::Model,
    TextField::Provider,
    TextField::Tool,
    TextField::Tag,
    TextField::Agent,
    TextField::Session,
    TextField::User,
    TextField::Environment,
    TextField::Version,
    TextField::Service,
    TextField::Rule,
    TextField::Category,
];

/// What is known of a trace.
pub(crate) fn bits(trace: &TraceSummary) -> i64 {
    let texts = FIELDS.iter().filter(|field| field.any(trace, |_| true));
    let mut bits = texts.filter_map(bit).fold(0, |bits, bit| bits | bit);
    if !trace.kinds.is_empty() {
        bits |= KINDS;
    }
    if !trace.cost_sources.is_empty() {
        bits |= COST_SOURCES;
    }
    if !trace.metadata.is_empty() {
        bits |= METADATA;
    }
    bits
}
