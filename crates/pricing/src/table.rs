//! The `genai-prices` table as rate cards.
//!
//! The crate prices one call at a time, as a float and with a linear search over its patterns. Since
//! its prices are linear within a band of input tokens, a few probes give a card that is exact, takes
//! no search and shares all arithmetic with the operator's own prices.

use std::time::{Duration, UNIX_EPOCH};

use genai_prices::{Calculator, PriceCalculation, PriceRequest, Usage, UsageKey};

use crate::{
    card::{Band, RateCard, TOKEN_BUCKETS, TokenRates},
    rate::FemtoUsd,
};

/// The crate's version, which stands for the table's. A test holds it to the lock file.
pub(crate) const VERSION: &str = "0.2.1";

/// Length of the time slots that off-peak prices may tell apart, nanoseconds.
pub(crate) const SLOT_NANOS: i64 = 30 * 60 * 1_000_000_000;
const SLOTS_PER_DAY: i64 = 48;

/// Totals of input tokens at which rates are read; a band between two of them is found by bisection
/// where the rates at its ends differ.
const GRID: [u64; 13] = [
    1_000,
    20_000,
    60_000,
    110_000,
    150_000,
    230_000,
    260_000,
    300_000,
    515_000,
    700_000,
    1_100_000,
    3_000_000,
    100_000_000,
];

/// Usage keys that hold the tokens of each bucket besides the input or output total.
const KEYS: [&[UsageKey]; TOKEN_BUCKETS] = [
    &[],
    &[UsageKey::CACHE_READ_TOKENS],
    &[UsageKey::CACHE_WRITE_TOKENS, UsageKey::CACHE_WRITE_5M_TOKENS],
    &[UsageKey::CACHE_WRITE_TOKENS, UsageKey::CACHE_WRITE_1H_TOKENS],
    &[UsageKey::INPUT_AUDIO_TOKENS],
    &[UsageKey::INPUT_IMAGE_TOKENS],
    &[],
    &[UsageKey::OUTPUT_REASONING_TOKENS],
    &[UsageKey::OUTPUT_AUDIO_TOKENS],
    &[UsageKey::OUTPUT_IMAGE_TOKENS],
];
/// Buckets from here on are output.
const FIRST_OUTPUT: usize = 6;

/// Which model of the table a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableModel {
    /// The provider and model to ask the table for.
    asked_provider: Option<String>,
    asked_model: String,
    /// What the table calls them.
    pub(crate) provider: String,
    pub(crate) model: String,
    /// Service tier that the table prices apart.
    tier: Option<&'static str>,
}

/// Finds the model by the names on a span. Providers of self-hosted models have no prices; a provider
/// the table does not know, or that does not offer the model, is looked past.
pub(crate) fn find(provider: Option<&str>, model: &str, tier: Option<&str>) -> Option<TableModel> {
    let provider = provider.map(str::to_lowercase);
    if provider.as_deref().is_some_and(is_self_hosted) {
        return None;
    }
    let tier = tier.and_then(|tier| {
        ["flex", "priority", "fast", "default", "batch"]
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(tier))
    });
    let canonical = provider.as_deref().map(table_provider);
    let prefixed = model.split_once('/');
    let attempts = [
        canonical.map(|p| (Some(p), model)),
        model.starts_with("ft:").then_some((Some("openai"), model)),
        prefixed.map(|(p, rest)| (Some(p), rest)),
        Some((None, model)),
        prefixed.map(|(_, rest)| (None, rest)),
    ];
    attempts.into_iter().flatten().find_map(|(provider, model)| {
        let usage = Usage::new();
        let mut request = PriceRequest::new(model, &usage).with_timestamp(UNIX_EPOCH);
        if let Some(provider) = provider {
            request = request.with_provider_id(provider);
        }
        let found = Calculator::bundled().calculate(&request).ok()?;
        Some(TableModel {
            asked_provider: provider.map(str::to_owned),
            asked_model: model.to_owned(),
            provider: found.provider_id,
            model: found.model_id,
            tier,
        })
    })
}

/// Names by which semantic conventions call providers, where the table has another.
fn table_provider(name: &str) -> &str {
    match name {
        "azure.ai.openai" | "azure.ai.inference" | "azure_openai" | "azure-openai" => "azure",
        "gcp.gemini" | "gcp.gen_ai" | "gcp.vertex_ai" | "google_genai" => "google",
        "mistral_ai" => "mistral",
        "x_ai" | "xai" => "x-ai",
        "moonshot_ai" => "moonshotai",
        "voyage_ai" => "voyageai",
        "z_ai" | "z.ai" => "zai",
        "fireworks_ai" | "fireworks-ai" => "fireworks",
        other => other,
    }
}

fn is_self_hosted(provider: &str) -> bool {
    let names =
        ["ollama", "vllm", "llama.cpp", "llamacpp", "lmstudio", "lm_studio", "localai", "local"];
    names.contains(&provider)
}

impl TableModel {
    /// The same model under the table's own names, for caching: prices depend on nothing else.
    pub(crate) fn by_table_names(&self) -> Self {
        let mut named = self.clone();
        named.asked_provider = Some(self.provider.clone());
        named.asked_model.clone_from(&self.model);
        named
    }

    /// The card in force at an instant of a span, nanoseconds since the epoch; none when the table
    /// cannot price it.
    pub(crate) fn card(&self, at: i64) -> Option<RateCard> {
        let base = self.rates(GRID[0], at)?;
        let mut bands = Vec::new();
        let mut below = (GRID[0], base);
        for total in GRID.into_iter().skip(1) {
            self.bands_between(below, (total, self.rates(total, at)?), at, &mut bands)?;
            below = (total, bands.last().map_or(base, |band: &Band| band.rates));
        }
        let nothing = Usage::new();
        let search = Usage::from([(UsageKey::WEB_SEARCHES, 1_000.0)]);
        let per_request = self.ask(&nothing, at)?;
        let per_search = (self.ask(&search, at)? - per_request) / 1_000.0;
        Some(RateCard::new(
            base,
            bands,
            FemtoUsd::from_usd(per_request)?,
            FemtoUsd::from_usd(per_search)?,
        ))
    }

    /// Whether prices change within the day of an instant.
    pub(crate) fn changes_within_day(&self, at: i64) -> bool {
        let midnight = at - at.rem_euclid(SLOT_NANOS * SLOTS_PER_DAY);
        let tokens = 1_000_000.0;
        let usage = Usage::from([
            (UsageKey::INPUT_TOKENS, 2.0 * tokens),
            (UsageKey::CACHE_READ_TOKENS, tokens),
            (UsageKey::OUTPUT_TOKENS, tokens),
        ]);
        let price = |slot: i64| self.ask(&usage, midnight + slot * SLOT_NANOS).map(f64::to_bits);
        let first = price(0);
        (1..SLOTS_PER_DAY).any(|slot| price(slot) != first)
    }

    /// Adds the bands that begin between two totals, by bisection.
    fn bands_between(
        &self,
        mut low: (u64, TokenRates),
        high: (u64, TokenRates),
        at: i64,
        bands: &mut Vec<Band>,
    ) -> Option<()> {
        while low.1 != high.1 {
            let (mut under, mut over) = (low.0, high);
            while over.0 - under > 1 {
                let middle = under + (over.0 - under) / 2;
                let rates = self.rates(middle, at)?;
                if rates == low.1 { under = middle } else { over = (middle, rates) }
            }
            bands.push(Band { above: under, rates: over.1 });
            low = over;
        }
        Some(())
    }

    /// The rates of every bucket for a call with this many input tokens.
    fn rates(&self, total: u64, at: i64) -> Option<TokenRates> {
        let (input, output) = (total as f64, 1_000_000.0);
        let none = self.ask(&Usage::new(), at)?;
        let input_only = self.ask(&Usage::from([(UsageKey::INPUT_TOKENS, input)]), at)?;
        let mut rates = TokenRates::default();
        for (bucket, rate) in rates.iter_mut().enumerate() {
            let mut usage = Usage::from([(UsageKey::INPUT_TOKENS, input)]);
            let (tokens, before) = if bucket < FIRST_OUTPUT {
                (input, none)
            } else {
                usage.insert(UsageKey::OUTPUT_TOKENS, output);
                (output, input_only)
            };
            for key in KEYS[bucket] {
                usage.insert(key.clone(), tokens);
            }
            *rate = FemtoUsd::from_usd((self.ask(&usage, at)? - before) / tokens)?;
        }
        Some(rates)
    }

    fn ask(&self, usage: &Usage, at: i64) -> Option<f64> {
        self.calculate(usage, at).map(|price| price.total_price)
    }

    fn calculate(&self, usage: &Usage, at: i64) -> Option<PriceCalculation> {
        let time = UNIX_EPOCH + Duration::from_nanos(u64::try_from(at).unwrap_or(0));
        let mut request = PriceRequest::new(&self.asked_model, usage).with_timestamp(time);
        if let Some(provider) = &self.asked_provider {
            request = request.with_provider_id(provider);
        }
        match self.tier {
            Some("batch") => request = request.with_price_context("processing", "batch"),
            Some(tier) => request = request.with_price_context("service_tier", tier),
            None => {}
        }
        Calculator::bundled().calculate(&request).ok()
    }
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
