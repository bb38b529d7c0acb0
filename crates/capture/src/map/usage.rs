//! Tokens: from the candidates of each bucket to disjoint buckets.
//!
//! Sources differ in what their totals hold. What the total of the winning key holds is the habit of
//! its dialect, unless the row or the dialect's special code says otherwise; the split then checks it
//! against the numbers. The decision is recorded on the span.

use exhibit_model::{ReportedUsage, TokenSemantics};

use super::{fill::Filled, gather::Gathered};
use crate::{
    dialect::{Field, INCLUSIVE, Registry},
    read,
};

pub(super) fn fill(filled: &mut Filled, gathered: &Gathered) {
    if filled.draft().echo {
        return;
    }
    let mut take = |field: Field| {
        let hit = gathered.slot(field)?;
        let count = read::count(&hit.value).ok().flatten()?;
        filled.noted(field, hit.key);
        Some(count)
    };
    let mut reported = ReportedUsage {
        input: take(Field::TokensIn),
        output: take(Field::TokensOut),
        total: take(Field::TokensTotal),
        cache_read: take(Field::CacheRead),
        cache_write: take(Field::CacheWrite),
        cache_write_5m: take(Field::CacheWrite5m),
        cache_write_1h: take(Field::CacheWrite1h),
        reasoning: take(Field::Reasoning),
        input_audio: take(Field::AudioIn),
        input_image: take(Field::ImageIn),
        output_audio: take(Field::AudioOut),
        output_image: take(Field::ImageOut),
        web_searches: take(Field::WebSearches),
    };
    let uncached = take(Field::TokensUncached);
    let mut aggregate = false;
    if reported.input.is_none() && reported.output.is_none() {
        reported.input = take(Field::AggregateIn);
        reported.output = take(Field::AggregateOut);
        aggregate = reported.input.is_some() || reported.output.is_some();
    }
    let mut stated = filled.draft().semantics.unwrap_or_else(|| habit(gathered));
    // Where a client counts the uncached tokens apart, the numbers themselves say what the total is.
    if let Some(uncached) = uncached {
        match reported.input {
            None => {
                reported.input = Some(uncached);
                stated.input_includes_cache = false;
            }
            Some(input) => stated.input_includes_cache = input != uncached,
        }
    }
    if reported.is_empty() {
        return;
    }
    let aggregate = aggregate || filled.draft().aggregate;
    filled.set_usage(reported, stated, aggregate);
}

/// What the totals hold by the habit of the dialects that supplied them.
fn habit(gathered: &Gathered) -> TokenSemantics {
    let of = |field: Field| {
        let hit = gathered.slot(field)?;
        let dialect = || Registry::dialect(hit.entry.dialect).map(|dialect| dialect.semantics);
        hit.entry.rule.semantics.or_else(dialect)
    };
    let input = of(Field::TokensIn).unwrap_or(INCLUSIVE);
    let reasoning = gathered.slot(Field::Reasoning).and_then(|hit| hit.entry.rule.semantics);
    let output = reasoning.or_else(|| of(Field::TokensOut)).unwrap_or(INCLUSIVE);
    TokenSemantics {
        input_includes_cache: input.input_includes_cache,
        output_includes_reasoning: output.output_includes_reasoning,
    }
}
