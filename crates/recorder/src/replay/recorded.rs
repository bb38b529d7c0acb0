//! The engine's surroundings inside a recorder: steps come from the store, spans go through the one
//! door, prices are those in force.

use std::sync::Arc;

use async_trait::async_trait;
use exhibit_capture::{Context, native};
use exhibit_model::{Door, JsonMap, NanoUsd, Span, SpanId, SpanKind, TraceId, Usage, WorkspaceId};
use exhibit_pricing::PriceBook;
use exhibit_store::SpanWindow;
use serde_json::json;

use super::{Desk, Pricer, Step};
use crate::{Error, Recorder, SpanDetail};

/// Most spans of a trace that is run again or looked into.
const STEPS_MAX: usize = 10_000;

/// Records into a workspace.
struct OwnDesk {
    recorder: Arc<Recorder>,
    workspace: WorkspaceId,
}

#[async_trait]
impl Desk for OwnDesk {
    async fn record(&self, spans: Vec<JsonMap>) -> Result<(), String> {
        let limits = self.recorder.limits();
        let context = Context { received: self.recorder.now(), limits, labels: &[] };
        let body = json!({ "batch": spans }).to_string();
        let mut decoded =
            native::span_batch(body.as_bytes(), &context).map_err(|error| error.to_string())?;
        decoded.spans.iter_mut().for_each(|span| span.door = Door::Server);
        let accepted = self.recorder.accept(self.workspace, decoded).await;
        let accepted = accepted.map_err(|error| error.to_string())?;
        match accepted.rejected.first() {
            Some(refused) => Err(format!("{}: {}", refused.pointer, refused.reason)),
            None => Ok(()),
        }
    }
}

/// Prices as a price book knows them.
pub fn price_with(
    book: &PriceBook,
    provider: Option<&str>,
    model: &str,
    usage: &Usage,
) -> Option<NanoUsd> {
    let trace = TraceId::new("estimate").ok()?;
    let mut span = Span::new(trace, SpanId::new("estimate").ok()?, Door::Server);
    span.kind = Some(SpanKind::Llm);
    span.model = Some(model.to_owned());
    span.provider = provider.map(str::to_owned);
    span.usage = Some(*usage);
    book.price(&span).amount
}

impl Pricer for Recorder {
    fn price(&self, provider: Option<&str>, model: &str, usage: &Usage) -> Option<NanoUsd> {
        price_with(&self.rules.current().prices, provider, model, usage)
    }
}

impl Recorder {
    /// Takes the spans of replays and ablations into a workspace.
    pub fn desk(self: &Arc<Self>, workspace: WorkspaceId) -> Arc<dyn Desk> {
        Arc::new(OwnDesk { recorder: Arc::clone(self), workspace })
    }

    /// The steps of a trace, in order of their starts.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown trace, [`Error::Invalid`] for one that is too long.
    pub async fn steps(&self, workspace: WorkspaceId, trace: &TraceId) -> Result<Vec<Step>, Error> {
        let row = self.store.trace(workspace, trace).await?.ok_or(Error::NotFound)?;
        if row.summary.span_count > STEPS_MAX as u64 {
            let message = format!("the trace has more than {STEPS_MAX} spans");
            return Err(Error::Invalid { field: "trace", message });
        }
        let mut steps = Vec::new();
        let mut window =
            SpanWindow { limit: self.limits.window_spans_max, ..SpanWindow::default() };
        loop {
            let page = self.store.spans(workspace, trace, &window).await?;
            let ids: Vec<_> =
                page.rows.iter().map(|r| (trace.clone(), r.head.span_id.clone())).collect();
            for stored in self.store.load(workspace, &ids).await?.iter().flatten() {
                steps.push(Step::from(&SpanDetail::of(stored, false)?));
            }
            match page.next {
                Some(next) if steps.len() <= STEPS_MAX => window.after = Some(next),
                _ => return Ok(steps),
            }
        }
    }
}
