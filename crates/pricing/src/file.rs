//! `rules/pricing.yaml`: the operator's own prices, read strictly.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};

use crate::{
    PriceError,
    card::{Band, RateCard, TokenRates},
    rate::{FemtoUsd, PerMillion, PerThousand},
};

/// The file, checked.
#[derive(Debug, Default)]
pub(crate) struct PriceFile {
    pub(crate) default: Option<RateCard>,
    pub(crate) default_rates: Option<Rates>,
    pub(crate) entries: Vec<Entry>,
}

/// Prices of one model, or of all whose name fits a pattern, for a time.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As the file writes it; may hold `*`.
    pub(crate) model: String,
    pub(crate) aliases: Vec<String>,
    /// Lower case; none fits every provider.
    pub(crate) provider: Option<String>,
    pub(crate) from: Option<Day>,
    pub(crate) until: Option<Day>,
    pub(crate) rates: Rates,
    pub(crate) card: RateCard,
    /// By service tier, lower case.
    pub(crate) service_tiers: BTreeMap<String, RateCard>,
    pub(crate) tiers: usize,
}

/// A calendar day, UTC: the first instant of it in days since the epoch, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) number: i64,
    pub(crate) text: String,
}

/// Rates as stated; what is absent follows from the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates(pub(crate) Vec<(&'static str, FemtoUsd)>);

impl Rates {
    pub(crate) fn get(&self, name: &str) -> Option<FemtoUsd> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, rate)| *rate)
    }

    /// Rates for every bucket: a cache or input medium without a rate costs what input costs, an output
    /// medium or reasoning what output costs, the longer cache what the shorter one costs.
    fn per_bucket(&self, base: &Self) -> TokenRates {
        let rate = |name| self.get(name).or_else(|| base.get(name));
        let input = rate("input").unwrap_or_default();
        let output = rate("output").unwrap_or_default();
        let write = rate("cache_write").unwrap_or(input);
        [
            input,
            rate("cache_read").unwrap_or(input),
            write,
            rate("cache_write_1h").unwrap_or(write),
            rate("input_audio").unwrap_or(input),
            rate("input_image").unwrap_or(input),
            output,
            rate("reasoning").unwrap_or(output),
            rate("output_audio").unwrap_or(output),
            rate("output_image").unwrap_or(output),
        ]
    }
}

macro_rules! with_rates {
    ($(#[$doc:meta])* struct $name:ident { $($(#[$attr:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $($(#[$attr])* $field: $ty,)*
            input: Option<PerMillion>,
            output: Option<PerMillion>,
            cache_read: Option<PerMillion>,
            cache_write: Option<PerMillion>,
            cache_write_1h: Option<PerMillion>,
            reasoning: Option<PerMillion>,
            input_audio: Option<PerMillion>,
            input_image: Option<PerMillion>,
            output_audio: Option<PerMillion>,
            output_image: Option<PerMillion>,
            requests: Option<PerThousand>,
            web_searches: Option<PerThousand>,
        }

        impl $name {
            fn rates(&self) -> Rates {
                let tokens = [
                    ("input", self.input), ("output", self.output), ("cache_read", self.cache_read),
                    ("cache_write", self.cache_write), ("cache_write_1h", self.cache_write_1h),
                    ("reasoning", self.reasoning), ("input_audio", self.input_audio),
                    ("input_image", self.input_image), ("output_audio", self.output_audio),
                    ("output_image", self.output_image),
                ];
                let tokens = tokens.into_iter().filter_map(|(name, rate)| Some((name, rate?.0)));
                let counts = [("requests", self.requests), ("web_searches", self.web_searches)];
                let counts = counts.into_iter().filter_map(|(name, rate)| Some((name, rate?.0)));
                Rates(tokens.chain(counts).collect())
            }
        }
    };
}

with_rates! {
    /// One entry as written.
    struct RawEntry {
        provider: Option<String>,
        #[serde(default)]
        aliases: Vec<String>,
        from: Option<Day>,
        until: Option<Day>,
        #[serde(default)]
        tiers: Vec<RawTier>,
        #[serde(default)]
        service_tiers: BTreeMap<String, RawVariant>,
    }
}
with_rates! {
    /// Rates above a number of input tokens.
    struct RawTier { above_input_tokens: u64 }
}
with_rates! {
    /// Rates of a service tier, or the default.
    struct RawVariant {}
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    default: Option<RawVariant>,
    #[serde(default)]
    models: RawModels,
}

/// Model name to one entry, or to several for different times or providers; in file order.
#[derive(Default)]
struct RawModels(Vec<(String, RawEntries)>);

struct RawEntries(Vec<RawEntry>);

impl PriceFile {
    /// Reads and checks a file; `name` is for messages.
    pub(crate) fn parse(text: &str, name: &str) -> Result<Self, PriceError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let raw: RawFile = serde_yaml_ng::from_str(text).map_err(|error| PriceError::Syntax {
            name: name.to_owned(),
            reason: error.to_string(),
        })?;
        let mut file = Self::default();
        if let Some(default) = raw.default {
            let rates = default.rates();
            require_input_and_output(&rates).map_err(|reason| PriceError::Model {
                name: name.to_owned(),
                model: "default".to_owned(),
                reason,
            })?;
            file.default = Some(card(&rates, &rates, Vec::new()));
            file.default_rates = Some(rates);
        }
        for (model, entries) in raw.models.0 {
            for raw in entries.0 {
                let entry = checked(&model, raw).map_err(|reason| PriceError::Model {
                    name: name.to_owned(),
                    model: model.clone(),
                    reason,
                })?;
                file.entries.push(entry);
            }
        }
        Ok(file)
    }
}

fn checked(model: &str, raw: RawEntry) -> Result<Entry, String> {
    let rates = raw.rates();
    if model.trim().is_empty() || raw.aliases.iter().any(|alias| alias.trim().is_empty()) {
        return Err("a model name or alias is empty".to_owned());
    }
    require_input_and_output(&rates)?;
    if let (Some(from), Some(until)) = (&raw.from, &raw.until)
        && from.number > until.number
    {
        return Err(format!("`from` {} is after `until` {}", from.text, until.text));
    }
    let mut bands: Vec<Band> = Vec::new();
    for tier in &raw.tiers {
        let stated = tier.rates();
        if stated.get("requests").or(stated.get("web_searches")).is_some() {
            return Err("a tier cannot change `requests` or `web_searches`".to_owned());
        }
        if bands.iter().any(|band| band.above == tier.above_input_tokens) {
            return Err(format!("two tiers above {} input tokens", tier.above_input_tokens));
        }
        bands.push(Band { above: tier.above_input_tokens, rates: stated.per_bucket(&rates) });
    }
    let service_tiers = raw
        .service_tiers
        .iter()
        .map(|(tier, variant)| {
            let stated = variant.rates();
            // A variant has its own flat rates; it keeps the tiers only where it states nothing.
            let bands = if stated.0.is_empty() { bands.clone() } else { Vec::new() };
            (tier.to_lowercase(), card(&stated, &rates, bands))
        })
        .collect();
    Ok(Entry {
        model: model.to_owned(),
        aliases: raw.aliases,
        provider: raw.provider.map(|p| p.to_lowercase()),
        from: raw.from,
        until: raw.until,
        tiers: raw.tiers.len(),
        card: card(&rates, &rates, bands),
        rates,
        service_tiers,
    })
}

fn require_input_and_output(rates: &Rates) -> Result<(), String> {
    let priced_per_count = rates.get("requests").or(rates.get("web_searches")).is_some();
    if rates.get("input").is_none() && rates.get("output").is_none() && !priced_per_count {
        return Err(
            "states no price; give `input` and `output` in US dollars per million tokens".into()
        );
    }
    Ok(())
}

fn card(rates: &Rates, base: &Rates, bands: Vec<Band>) -> RateCard {
    let count = |name| rates.get(name).or_else(|| base.get(name)).unwrap_or_default();
    RateCard::new(rates.per_bucket(base), bands, count("requests"), count("web_searches"))
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let stamp = exhibit_model::Nanos::parse_rfc3339(&format!("{text}T00:00:00Z"));
        match stamp {
            Some(nanos) if text.len() == 10 => {
                Ok(Self { number: nanos.0.div_euclid(crate::book::DAY_NANOS), text })
            }
            _ => Err(de::Error::custom(format!("`{text}` is not a day; write YYYY-MM-DD"))),
        }
    }
}

impl<'de> Deserialize<'de> for RawModels {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Models;
        impl<'de> de::Visitor<'de> for Models {
            type Value = RawModels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from model name to prices")
            }

            fn visit_unit<E>(self) -> Result<RawModels, E> {
                Ok(RawModels::default())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RawModels, A::Error> {
                let mut models: Vec<(String, RawEntries)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if models.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                        let hint = "is listed twice; give it a list of dated entries instead";
                        return Err(de::Error::custom(format!("`{name}` {hint}")));
                    }
                    models.push((name, map.next_value()?));
                }
                Ok(RawModels(models))
            }
        }
        d.deserialize_any(Models)
    }
}

impl<'de> Deserialize<'de> for RawEntries {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> de::Visitor<'de> for OneOrMany {
            type Value = RawEntries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("prices, or a list of prices")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RawEntries, A::Error> {
                let one = RawEntry::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(RawEntries(vec![one]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<RawEntries, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(RawEntries)
            }
        }
        d.deserialize_any(OneOrMany)
    }
}
