//! What people see of the prices in force: the settings page and its API.

use serde::Serialize;

use crate::{
    file::{Entry, PriceFile, Rates},
    table,
};

/// All prices in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceListing {
    /// The price file's name.
    pub file: String,
    /// SHA-256 over the file and the table's version, hex; changes when a price may have changed.
    pub hash: String,
    /// What a rate is: always `USD per 1M tokens` (requests and searches: per 1,000).
    pub unit: &'static str,
    /// What a model without a price costs; none means "unknown".
    pub default: Option<ListedRates>,
    /// The operator's own prices, in file order.
    pub models: Vec<ListedModel>,
    /// The table behind them.
    pub table: TableListing,
}

/// One entry of the operator's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedModel {
    /// Name or pattern.
    pub model: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// The provider it is limited to.
    pub provider: Option<String>,
    /// First day of validity, `YYYY-MM-DD`, UTC.
    pub from: Option<String>,
    /// Last day of validity.
    pub until: Option<String>,
    /// Its rates.
    pub rates: ListedRates,
    /// How many tiers by input length it has.
    pub tiers: usize,
    /// Service tiers with rates of their own.
    pub service_tiers: Vec<String>,
}

/// Rates as decimal text, so that no reader rounds them: `{"input": "0.15", …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ListedRates(pub std::collections::BTreeMap<&'static str, String>);

/// The bundled table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableListing {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// How many models it prices.
    pub models: usize,
    /// Its providers.
    pub providers: Vec<ListedProvider>,
}

/// A provider of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedProvider {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How many of its models are priced.
    pub models: usize,
}

impl PriceListing {
    pub(crate) fn of(file: &PriceFile, name: &str, hash: [u8; 32]) -> Self {
        let providers: Vec<ListedProvider> = genai_prices::Calculator::bundled()
            .providers()
            .map(|p| ListedProvider { id: p.id(), name: p.name(), models: p.models().count() })
            .collect();
        Self {
            file: name.to_owned(),
            hash: hex::encode(hash),
            unit: "USD per 1M tokens",
            default: file.default_rates.as_ref().map(ListedRates::of),
            models: file.entries.iter().map(ListedModel::of).collect(),
            table: TableListing {
                name: "genai-prices",
                version: table::VERSION,
                models: providers.iter().map(|p| p.models).sum(),
                providers,
            },
        }
    }
}

impl ListedModel {
    fn of(entry: &Entry) -> Self {
        Self {
            model: entry.model.clone(),
            aliases: entry.aliases.clone(),
            provider: entry.provider.clone(),
            from: entry.from.as_ref().map(|day| day.text.clone()),
            until: entry.until.as_ref().map(|day| day.text.clone()),
            rates: ListedRates::of(&entry.rates),
            tiers: entry.tiers,
            service_tiers: entry.service_tiers.keys().cloned().collect(),
        }
    }
}

impl ListedRates {
    fn of(rates: &Rates) -> Self {
        let shown = |(name, rate): &(&'static str, crate::rate::FemtoUsd)| {
            // Counts are stated per thousand, tokens per million.
            let per_count = matches!(*name, "requests" | "web_searches");
            let rate = if per_count { crate::rate::FemtoUsd(rate.0 / 1_000) } else { *rate };
            (*name, rate.to_string())
        };
        Self(rates.0.iter().map(shown).collect())
    }
}
