//! A rate card: what one model costs at one time, per disjoint bucket.

use exhibit_model::{NanoUsd, Usage};

use crate::rate::FemtoUsd;

/// How many buckets of [`Usage::buckets`] are tokens; the rest are requests and web searches.
pub(crate) const TOKEN_BUCKETS: usize = 10;

/// Rates per token in the order of [`Usage::buckets`].
pub(crate) type TokenRates = [FemtoUsd; TOKEN_BUCKETS];

/// What one model costs at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RateCard {
    /// Bands by total input tokens, ascending; the first starts at zero. The whole request is charged
    /// at the last band whose threshold is strictly exceeded.
    bands: Vec<Band>,
    per_request: FemtoUsd,
    per_search: FemtoUsd,
}

/// The rates above a number of input tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Band {
    pub(crate) above: u64,
    pub(crate) rates: TokenRates,
}

impl RateCard {
    /// A card with one band and further ones above thresholds, in any order.
    pub(crate) fn new(
        base: TokenRates,
        mut above: Vec<Band>,
        per_request: FemtoUsd,
        per_search: FemtoUsd,
    ) -> Self {
        above.sort_by_key(|band| band.above);
        let mut bands = vec![Band { above: 0, rates: base }];
        bands.append(&mut above);
        Self { bands, per_request, per_search }
    }

    /// The price of one call, rounded once, half to even. `None` when it does not fit.
    pub(crate) fn price(&self, usage: &Usage) -> Option<NanoUsd> {
        let input = usage.input_tokens();
        let (first, tiers) = self.bands.split_first()?;
        let band = tiers.iter().rev().find(|band| input > band.above).unwrap_or(first);
        let charge = |count: u64, rate: FemtoUsd| i128::from(count) * i128::from(rate.0);
        let mut femto: i128 = 0;
        for (count, rate) in usage.buckets().into_iter().zip(band.rates) {
            femto += charge(count, rate);
        }
        // Every call is a request; the bucket holds those beyond it.
        femto += charge(usage.requests, self.per_request) + i128::from(self.per_request.0);
        femto += charge(usage.web_searches, self.per_search);
        i64::try_from(round_half_even(femto)).ok().map(NanoUsd)
    }
}

/// Femto-dollars to nano-dollars.
fn round_half_even(femto: i128) -> i128 {
    const NANO: i128 = 1_000_000;
    let (whole, rest) = (femto / NANO, femto % NANO);
    let up = match rest.cmp(&(NANO / 2)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => whole % 2 == 1,
    };
    whole + i128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_to_even() {
        for (femto, nano) in [(500_000, 0), (1_500_000, 2), (2_500_000, 2), (2_500_001, 3)] {
            assert_eq!(round_half_even(femto), nano);
        }
    }
}
