//! What other prices would make of what is recorded: counted over stored spans, never written.
//!
//! A span is mapped and priced as [`Recorder::remap`] would do it, so that the sums of a preview are
//! what pricing again brings about, as long as nothing arrives in between. Rules are not asked.

use std::collections::BTreeMap;

use exhibit_model::{Cost, TraceId, UsageRole, WorkspaceId};
use exhibit_pricing::PriceBook;
use exhibit_store::{Order, SpanWindow};

use crate::{Error, Recorder, accept::decode};

/// Spans of one read.
const SLICE: usize = 500;
/// Models that are told apart in one step; invented names beyond it are summed as one.
const MODELS_MAX: usize = 500;

/// What a step of a preview has found.
#[derive(Debug, Clone, Default)]
pub struct Repriced {
    /// Traces looked at.
    pub traces: u64,
    /// Calls looked at: spans whose usage counts.
    pub calls: u64,
    /// By model, in the order of their names.
    pub models: Vec<ModelChange>,
    /// Where to go on; none when all is done.
    pub next: Option<String>,
}

/// What happens to the calls of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelChange {
    /// Whom the calls went to.
    pub provider: Option<String>,
    /// The model; none for calls that name none, and for what is beyond [`MODELS_MAX`] names.
    pub model: Option<String>,
    /// Calls.
    pub calls: u64,
    /// Of these, calls whose amount or its source would change.
    pub changed: u64,
    /// What is recorded, billionths of a US dollar.
    pub before: i128,
    /// What it would be.
    pub after: i128,
    /// Calls of unknown cost now.
    pub unknown_before: u64,
    /// Calls of unknown cost then.
    pub unknown_after: u64,
}

type Sums = BTreeMap<(Option<String>, Option<String>), ModelChange>;

impl ModelChange {
    fn count(&mut self, before: &Cost, after: &Cost) {
        self.calls += 1;
        self.changed += u64::from((before.amount, before.source) != (after.amount, after.source));
        for (cost, sum, unknown) in [
            (before, &mut self.before, &mut self.unknown_before),
            (after, &mut self.after, &mut self.unknown_after),
        ] {
            match cost.amount {
                Some(amount) => *sum += i128::from(amount.0),
                None => *unknown += 1,
            }
        }
    }
}

impl Recorder {
    /// Prices the calls of up to `limit` traces, newest first, with the prices in force, or with
    /// those of `file` in place of `pricing.yaml`. Nothing is written.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file does not read or the cursor is of another list.
    pub async fn preview_prices(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
        file: Option<&str>,
    ) -> Result<Repriced, Error> {
        let prices = match file {
            None => self.rules.current().prices.clone(),
            Some(text) => PriceBook::from_yaml(text, "pricing.yaml")
                .map_err(|error| Error::Invalid { field: "file", message: error.to_string() })?,
        };
        let page = self.traces(workspace, "", Order::Newest, after, limit).await?;
        let mut done = Repriced { next: page.next, ..Repriced::default() };
        let mut sums = Sums::new();
        for row in page.rows {
            done.traces += 1;
            done.calls +=
                self.preview_trace(workspace, &row.summary.trace_id, &prices, &mut sums).await?;
        }
        done.models = sums.into_values().collect();
        Ok(done)
    }

    async fn preview_trace(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        prices: &PriceBook,
        sums: &mut Sums,
    ) -> Result<u64, Error> {
        let (mut after, mut calls) = (None, 0);
        loop {
            let window = SpanWindow { after, limit: SLICE, parent: None };
            let page = self.store.spans(workspace, trace, &window).await?;
            let counted = page
                .rows
                .iter()
                .filter(|row| row.counted && row.head.usage_role == UsageRole::Leaf);
            let ids: Vec<_> =
                counted.map(|row| (trace.clone(), row.head.span_id.clone())).collect();
            for stored in self.load(workspace, &ids).await?.iter().flatten() {
                let mut span = decode(stored)?;
                let before = span.cost.clone();
                exhibit_capture::map(&mut span);
                let now = prices.price(&span);
                let name = (span.provider.clone(), span.model.or(span.model_requested));
                let full = sums.len() >= MODELS_MAX && !sums.contains_key(&name);
                let name = if full { (None, None) } else { name };
                let sum = sums.entry(name.clone()).or_insert_with(|| ModelChange {
                    provider: name.0,
                    model: name.1,
                    ..ModelChange::default()
                });
                sum.count(&before, &now);
                calls += 1;
            }
            after = page.next;
            if after.is_none() {
                return Ok(calls);
            }
        }
    }
}
