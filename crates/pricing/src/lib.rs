//! Usage and price tables become a cost that says where it comes from.
//!
//! Four tiers, each recorded on the span: what the client reported, the operator's `rules/pricing.yaml`
//! and behind it the `genai-prices` table, the operator's default rate, and "unknown". Amounts are exact:
//! rates are integers of a trillionth of a dollar per token, sums are rounded once, half to even, to
//! billionths of a dollar. This crate does no I/O and never writes to a span.
//!
//! Start at [`PriceBook`].

mod book;
mod card;
mod error;
mod file;
mod listing;
mod rate;
mod table;

pub use book::PriceBook;
pub use error::PriceError;
pub use listing::{ListedModel, ListedProvider, ListedRates, PriceListing, TableListing};

/// The price file that ships with the product; what a machine without a rules directory uses.
pub const SHIPPED: &str = include_str!("../../../rules/pricing.yaml");
