//! What is told to channels: that a rule spoke, that a review opened or changed.
//!
//! A notice names things by id and says the rule's words; it never holds contents of spans. It becomes one
//! kept delivery per channel that listens, is tried until it is taken or given up, and shows what came of
//! it. How it travels is a [`Courier`]'s business; this room knows no network.

pub(crate) mod channel;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use exhibit_govern::FollowUp;
use exhibit_model::{Nanos, RecordId, Review, SpanId, TraceId, WorkspaceId};
use exhibit_store::{Delivery, Page};
use serde_json::{Value, json};

use crate::{Error, Recorder};
use channel::Channel;

/// How often waiting deliveries are looked for, when nothing wakes the clock before.
const TICK: Duration = Duration::from_secs(5);
/// Deliveries tried at once.
const AT_ONCE: usize = 50;
/// Finished deliveries of a workspace that stay to be looked at.
const KEPT: u64 = 1_000;
/// Seconds until the next attempt, after each that failed; then it is given up. The schedule of Standard
/// Webhooks, with a first try again that is soon.
const AGAIN_S: [i64; 8] = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 72_000];

/// Carries deliveries to where channels lead.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    /// Makes one attempt. The answer is a word for the log, such as `204`.
    async fn carry(
        &self,
        channel: &Channel,
        delivery: &Delivery,
        now: Nanos,
    ) -> Result<String, Lost>;
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Why, for people; without secrets.
    pub reason: String,
    /// Whether trying again is of no use.
    pub for_good: bool,
}

/// Something worth telling.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    /// What kind, such as `review.opened`.
    event: String,
    /// The facts.
    data: Value,
}

impl Notice {
    pub(crate) fn of_rule(follow_up: &FollowUp, trace: &TraceId, span: &SpanId) -> Self {
        let data = json!({
            "policy": follow_up.policy,
            "rule": follow_up.rule,
            "title": follow_up.title,
            "message": follow_up.message,
            "severity": follow_up.severity,
            "action": follow_up.action,
            "trace_id": trace,
            "span_id": (!span.is_registration()).then_some(span),
        });
        Self { event: "rule.notify".to_owned(), data }
    }

    pub(crate) fn of_review(review: &Review) -> Self {
        let deed = review.acts.last().map_or("opened", |act| act.deed.as_str());
        let data = json!({
            "review_id": review.id,
            "policy": review.policy,
            "rule": review.rule,
            "title": review.title,
            "severity": review.severity,
            "queue": review.queue,
            "state": review.state,
            "assignee": review.assignee,
            "due_at": review.due.map(exhibit_model::Nanos::to_rfc3339),
            "trace_id": review.trace_id,
            "span_id": review.span_id,
        });
        Self { event: format!("review.{deed}"), data }
    }
}

impl Recorder {
    /// Names who carries deliveries; before that they wait. Once per recorder.
    pub fn set_courier(&self, courier: Arc<dyn Courier>) {
        let _ = self.courier.set(courier);
    }

    /// Tells a channel, or all that listen.
    pub(crate) async fn tell(
        &self,
        workspace: WorkspaceId,
        channel: Option<&str>,
        notice: &Notice,
    ) -> Result<(), Error> {
        let rules = self.rules.current();
        let listens = |c: &&Channel| match channel {
            Some(name) => c.name == name,
            None => c.listens(&notice.event),
        };
        let wanted: Vec<&Channel> = rules.channels.iter().filter(listens).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let body = json!({
            "type": notice.event, "timestamp": now.to_rfc3339(), "data": notice.data,
        });
        let body = body.to_string();
        let delivery = |channel: &&Channel| Delivery {
            id: format!("msg_{}", RecordId::mint(&*self.entropy)),
            channel: channel.name.clone(),
            event: notice.event.clone(),
            body: body.clone(),
            created: now,
            next: Some(now),
            attempts: 0,
            delivered: None,
            last: None,
        };
        let deliveries = wanted.iter().map(delivery).collect();
        self.store.put_deliveries(workspace, deliveries, KEPT).await?;
        self.noticed.notify_one();
        Ok(())
    }

    /// Sends a test to a channel.
    ///
    /// # Errors
    /// There is no such channel.
    pub async fn test_channel(&self, workspace: WorkspaceId, name: &str) -> Result<(), Error> {
        if !self.rules.current().channels.iter().any(|channel| channel.name == name) {
            return Err(Error::NotFound);
        }
        let data = json!({ "message": "If you read this, the channel works." });
        self.tell(workspace, Some(name), &Notice { event: "channel.test".to_owned(), data }).await
    }

    /// The channels in force: name, kind, where they lead without what is secret, and events.
    pub fn channels(&self) -> Vec<Value> {
        self.rules.current().channels.iter().map(Channel::shown).collect()
    }

    /// A page of deliveries, newest first.
    pub async fn deliveries(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Delivery>, Error> {
        let limit = limit.clamp(1, self.limits.page_rows_max);
        Ok(self.store.deliveries(workspace, after, limit).await?)
    }

    /// Tries a delivery again now, under the same id; one that was given up starts its schedule anew.
    ///
    /// # Errors
    /// There is none with this id, or it was taken already.
    pub async fn retry_delivery(&self, workspace: WorkspaceId, id: &str) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.store.deliveries(workspace, after, self.limits.page_rows_max).await?;
            if let Some(mut delivery) = page.rows.into_iter().find(|delivery| delivery.id == id) {
                if delivery.delivered.is_some() {
                    return Err(Error::Conflict(
                        "it was taken already; send a test instead".into(),
                    ));
                }
                if delivery.next.is_none() {
                    delivery.attempts = 0;
                }
                delivery.next = Some(self.now());
                self.store.put_deliveries(workspace, vec![delivery], KEPT).await?;
                self.noticed.notify_one();
                return Ok(());
            }
            after = page.next;
            if after.is_none() {
                return Err(Error::NotFound);
            }
        }
    }

    pub(crate) async fn run_deliveries(&self) {
        loop {
            if let Err(error) = self.deliver_due().await {
                tracing::warn!(%error, "notifications could not be delivered");
            }
            let _ = tokio::time::timeout(TICK, self.noticed.notified()).await;
        }
    }

    /// Tries what is due once; how many there were.
    pub async fn deliver_due(&self) -> Result<usize, Error> {
        let Some(courier) = self.courier.get() else { return Ok(0) };
        let due = self.store.deliveries_due(self.now(), AT_ONCE).await?;
        let count = due.len();
        let rules = self.rules.current();
        let attempts = due.into_iter().map(|(workspace, mut delivery)| {
            let channel = rules.channels.iter().find(|c| c.name == delivery.channel);
            async move {
                let said = match channel {
                    Some(channel) => courier.carry(channel, &delivery, self.now()).await,
                    None => Err(Lost { reason: "there is no such channel any more".into(), for_good: true }),
                };
                let failed = AGAIN_S.get(delivery.attempts as usize);
                delivery.attempts = delivery.attempts.saturating_add(1);
                match said {
                    Ok(word) => {
                        delivery.delivered = Some(self.now());
                        (delivery.next, delivery.last) = (None, Some(word));
                    }
                    Err(lost) => {
                        let wait = failed.filter(|_| !lost.for_good);
                        delivery.next = wait.map(|s| Nanos(self.now().0.saturating_add(s * 1_000_000_000)));
                        delivery.last = Some(lost.reason.chars().take(300).collect());
                        tracing::warn!(channel = %delivery.channel, reason = ?delivery.last, "a notification was not taken");
                    }
                }
                self.store.put_deliveries(workspace, vec![delivery], KEPT).await
            }
        });
        for done in futures_util::future::join_all(attempts).await {
            done?;
        }
        Ok(count)
    }
}
