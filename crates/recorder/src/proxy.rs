//! Calls that pass through the provider proxy: ruled upon before they leave, recorded when they ended.
//!
//! The bytes themselves are passed on by the server with a [`Forwarder`]; keys are in headers and
//! headers never get here.

use std::{sync::Arc, time::Duration};

use exhibit_capture::{Context, dialect::proxied};
use exhibit_govern::Surroundings;
use exhibit_model::{Action, Attribute, Door, Json, Outcome, Part, Span, SpanKind, WorkspaceId};

use crate::{Caller, Error, Recorder, Who};

pub use exhibit_capture::dialect::proxied::{Exchange, Wire};
pub use exhibit_provider::{Forwarder, Incoming, Outgoing, ProviderError};

/// How often a finished call is offered to a busy recorder.
const ATTEMPTS: u32 = 6;

/// What rules say of a call before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It may go as it is.
    Send,
    /// It may go with this body: a rule redacts.
    SendInstead(Vec<u8>),
    /// It may not go.
    Refuse {
        /// The rules that forbid it.
        reasons: Vec<String>,
    },
}

impl Recorder {
    /// Asks the rules in force about a call that has not been made. What it may cost is reserved in
    /// budgets until its span arrives, unless it is refused.
    ///
    /// # Errors
    /// Only when the recorder is stopping.
    pub async fn rule_on_call(
        self: &Arc<Self>,
        caller: &Caller,
        exchange: Exchange,
    ) -> Result<Ruling, Error> {
        let (recorder, caller) = (Arc::clone(self), caller.clone());
        tokio::task::spawn_blocking(move || recorder.ruling(&caller, &exchange))
            .await
            .map_err(|_| Error::Internal("ruling on a call was broken off".into()))
    }

    fn ruling(&self, caller: &Caller, exchange: &Exchange) -> Ruling {
        let rules = self.rules.current();
        let (model, body) = proxied::request(exchange);
        let id = (exchange.trace_id.clone(), exchange.span_id.clone());
        let mut span = Span::new(id.0, id.1, Door::Proxy);
        span.kind = Some(SpanKind::Llm);
        span.model = model;
        span.provider = Some(exchange.wire.provider().to_owned());
        span.start = Some(exchange.start);
        span.received = exchange.start;
        let text = |name: &str| exchange.labels.get(name).and_then(Json::as_str).map(str::to_owned);
        span.session = text("session_id");
        span.user = text("user_id");
        span.agent = text("agent_name");
        span.environment = text("environment");
        let readable = body.is_object() || body.is_array();
        span.attributes.push(Attribute {
            key: "input".to_owned(),
            value: body.clone(),
            part: Part::Input,
        });
        span.cost = rules.prices.price(&span);
        let now = self.now();
        let book = self.budgets.book(caller.workspace, now);
        let api_key = match &caller.who {
            Who::Key { id, .. } => Some(id.0.as_str()),
            _ => None,
        };
        let around = Surroundings { spending: &book, api_key, before_acting: true, released: None };
        let said = rules.rules.evaluate_in(&mut span, &[], &around);
        if span.decision.strongest() == Action::Block {
            let failed = span.evaluations.iter().filter(|e| e.outcome == Outcome::Fail);
            let mut reasons: Vec<String> = failed.map(|e| e.message.clone()).collect();
            reasons.dedup();
            return Ruling::Refuse { reasons };
        }
        self.budgets.reserve(caller.workspace, &said.charges, now);
        match span.attributes.into_iter().find(|a| a.key == "input") {
            Some(sent) if readable && sent.value != body => {
                Ruling::SendInstead(sent.value.to_string().into_bytes())
            }
            _ => Ruling::Send,
        }
    }

    /// Records a call, running or ended. A busy recorder is asked again for some seconds.
    ///
    /// # Errors
    /// When it stays busy, or the call is no acceptable span.
    pub async fn keep_call(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        exchange: Exchange,
    ) -> Result<(), Error> {
        let exchange = Arc::new(exchange);
        let mut attempt = 0;
        loop {
            let (recorder, call) = (Arc::clone(self), Arc::clone(&exchange));
            let decoded = tokio::task::spawn_blocking(move || {
                let limits = recorder.limits();
                proxied::span(&call, &Context { received: recorder.now(), limits, labels: &[] })
            })
            .await
            .map_err(|_| Error::Internal("reading a call was broken off".into()))?
            .map_err(|error| Error::Invalid { field: "call", message: error.to_string() })?;
            match self.accept(workspace, decoded).await {
                Err(Error::Busy { retry_after_ms }) if attempt < ATTEMPTS => {
                    attempt += 1;
                    let wait = retry_after_ms.max(50).saturating_mul(1 << attempt.min(4));
                    tokio::time::sleep(Duration::from_millis(wait.min(5_000))).await;
                }
                Ok(accepted) if accepted.accepted == 0 => {
                    let reason = accepted.rejected.first().map(|r| r.reason.clone());
                    let message = reason.unwrap_or_default();
                    return Err(Error::Invalid { field: "call", message });
                }
                Ok(_) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
