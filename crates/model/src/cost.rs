//! What a call cost, and how we know.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kind::words;

/// An amount in billionths of a US dollar. Written to JSON as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// Dollars as a float, for people; never for sums.
    pub fn to_usd(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Converts dollars, rounding half to even. `None` for NaN, infinities, negative amounts and
    /// amounts beyond 9 billion dollars.
    pub fn from_usd(usd: f64) -> Option<Self> {
        let nano = usd * 1e9;
        (nano.is_finite() && (0.0..9.0e18).contains(&nano))
            .then(|| Self(nano.round_ties_even() as i64))
    }

    /// Adds; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Serialize for NanoUsd {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

words! {
    /// Where an amount comes from.
    CostSource {
        /// The client reported it.
        Agent = "agent" = 1,
        /// Computed from a price table.
        Table = "table" = 2,
        /// Computed from the default rate, because the model has no price.
        Default = "default" = 3,
        /// Unknown: there is usage but no price, or nothing to price.
        None = "none" = 4,
    }
}

/// A span's cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The amount; absent when unknown. Unknown is never zero.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amount: Option<NanoUsd>,
    /// Where the amount comes from.
    pub source: CostSource,
    /// The table and rule that priced it, such as `genai-prices 0.2.1 openai/gpt-4o` or
    /// `rules/pricing.yaml gpt-4o-mini`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
}

impl Cost {
    /// Nothing to price, or no price.
    pub const UNKNOWN: Self = Self { amount: None, source: CostSource::None, rule: None };
}

impl Default for Cost {
    fn default() -> Self {
        Self::UNKNOWN
    }
}
