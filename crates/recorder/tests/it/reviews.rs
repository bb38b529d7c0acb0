//! From a rule's question to a reviewer's answer, and what becomes of what was kept apart.

use std::{fs, time::Duration};

use exhibit_model::{Review, ReviewDeed, ReviewState, Scopes, Status, TraceId, Verdict};
use exhibit_recorder::{Caller, Erase, Error, Phrase, ReviewAction, RuleSource, Who};
use exhibit_store::ReviewQuery;
use serde_json::{Value, json};

use crate::house::{House, call};

const POLICY: &str = r#"
version: 1
policy: desk
rules:
  - id: no-iban
    title: An account number
    severity: high
    when: {finding: {entity: IBAN_CODE}}
    then: [{block: {message: "an account number"}}]
  - id: refund
    title: A refund wants two people
    severity: high
    when: {tool: payments.refund}
    then: [{review: {queue: money, sla: 1h, four_eyes: true}}]
  - id: mail
    title: Somebody reads what is mailed
    severity: medium
    when: {tool: mail.send}
    then: [review]
  - id: transfer
    title: A transfer is kept apart until it was looked at
    severity: high
    when: {tool: payments.transfer}
    then: [{quarantine: {message: "a transfer"}}, {review: {queue: money, sla: 2h, four_eyes: true}}]
"#;

async fn house() -> (House, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    fs::write(dir.path().join("policies/desk.yaml"), POLICY).unwrap();
    (House::with_rules(RuleSource { dir: Some(dir.path().to_owned()) }).await, dir)
}

fn caller(house: &House) -> Caller {
    Caller {
        workspace: house.workspace,
        workspace_public: "default".into(),
        scopes: Scopes::all(),
        who: Who::Local,
    }
}

async fn opened(house: &House) -> Review {
    for _ in 0..100 {
        let query = ReviewQuery { limit: 10, ..ReviewQuery::default() };
        let page = house.recorder.reviews(house.workspace, query).await.unwrap();
        if let [review] = page.rows.as_slice() {
            return review.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no review was opened");
}

fn action(value: Value) -> ReviewAction {
    serde_json::from_value(value).unwrap()
}

fn blocked(trace: &str) -> Value {
    let mut span = call(trace, "s");
    span["input"] = json!({ "prompt": "Pay to DE89370400440532013000 today" });
    span
}

#[tokio::test]
async fn only_reviewers_find_what_is_kept_apart() {
    let (house, _dir) = house().await;
    house.send(json!([blocked("t")])).await;
    let (trace, phrase) = (TraceId::new("t").unwrap(), Phrase::new("PAY TO").unwrap());
    let find = async |to_reviewer| {
        let page = house.recorder.search_trace(house.workspace, &trace, &phrase, None, to_reviewer);
        page.await.unwrap().unwrap().rows.len()
    };
    assert_eq!((find(true).await, find(false).await), (1, 0));
}

#[tokio::test]
async fn what_is_blocked_waits_for_a_reviewer_who_releases_it() {
    let (house, _dir) = house().await;
    house.send(json!([blocked("t")])).await;
    let span = house.span("t", "s").await.unwrap();
    assert!(span.decision.is_quarantine());
    let review = opened(&house).await;
    assert_eq!((review.state, review.title.as_str()), (ReviewState::Open, "an account number"));
    let leaves = house.leaves().await;
    let done = house
        .recorder
        .act_on_review(&caller(&house), &review.id, &action(json!({"deed": "approved"})))
        .await
        .unwrap();
    assert_eq!(done.state, ReviewState::Approved);
    assert_eq!(house.leaves().await, leaves + 2, "the new revision and the act");
    let span = house.span("t", "s").await.unwrap();
    assert!(!span.decision.is_quarantine());
    assert!(span.input_text().contains("DE89370400440532013000"), "released as it was");
    house.send(json!([blocked("t")])).await;
    assert_eq!(house.leaves().await, leaves + 2, "sent again it changes nothing");
}

#[tokio::test]
async fn a_release_does_not_cover_what_comes_later() {
    let (house, _dir) = house().await;
    house.send(json!([blocked("t")])).await;
    let review = opened(&house).await;
    let approve = action(json!({"deed": "approved"}));
    house.recorder.act_on_review(&caller(&house), &review.id, &approve).await.unwrap();
    let mut more = blocked("t");
    more["output"] = json!({ "response": "and to GB82WEST12345698765432" });
    more["end_time"] = json!("2026-11-20T23:59:09Z");
    house.send(json!([more])).await;
    assert!(house.span("t", "s").await.unwrap().decision.is_quarantine());
}

#[tokio::test]
async fn a_reviewer_redacts_or_erases_what_was_blocked() {
    let (house, _dir) = house().await;
    house.send(json!([blocked("t")])).await;
    let review = opened(&house).await;
    let redact = action(json!({"deed": "approved", "handling": "redact"}));
    house.recorder.act_on_review(&caller(&house), &review.id, &redact).await.unwrap();
    let span = house.span("t", "s").await.unwrap();
    assert!(!span.decision.is_quarantine());
    assert!(!span.input_text().contains("DE89370400440532013000"));
    assert!(span.input_text().contains("today"));

    let (house, _dir) = self::house().await;
    house.send(json!([blocked("t")])).await;
    let review = opened(&house).await;
    let erase = action(json!({"deed": "rejected", "handling": "erase", "reason": "true_positive"}));
    house.recorder.act_on_review(&caller(&house), &review.id, &erase).await.unwrap();
    let span = house.span("t", "s").await.unwrap();
    assert!(!span.input_text().contains("today"));
    assert_eq!(span.status, Status::Ok);
    let precision = house.recorder.review_precision(house.workspace).await.unwrap();
    assert_eq!(precision[0].precision(), Some(1.0));
}

#[tokio::test]
async fn a_client_cannot_release_by_itself() {
    let (house, _dir) = house().await;
    let mut span = blocked("t");
    span["attributes"] = json!({
        "exhibit.review_decision": {"rules": ["desk/no-iban"], "findings": 99, "handling": "release"},
    });
    house.send(json!([span])).await;
    assert!(house.span("t", "s").await.unwrap().decision.is_quarantine());
}

#[tokio::test]
async fn a_review_expires_and_its_trace_stays_reviewable() {
    let (house, _dir) = house().await;
    let mut span = call("t", "s");
    span["span_type"] = json!("tool");
    span["tool_name"] = json!("payments.refund");
    house.send(json!([span])).await;
    let review = opened(&house).await;
    assert!(review.four_eyes);
    assert_eq!(house.recorder.expire_reviews().await.unwrap(), 0);
    house.turn(3_601);
    assert_eq!(house.recorder.expire_reviews().await.unwrap(), 1);
    let review = opened(&house).await;
    assert_eq!(review.state, ReviewState::Expired);
    let approve = action(json!({"deed": "approved"}));
    house.recorder.act_on_review(&caller(&house), &review.id, &approve).await.unwrap();
    let again = house.recorder.act_on_review(&caller(&house), &review.id, &approve).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "two people must approve");
    let span = house.span("t", "s").await.unwrap();
    let verdict = Verdict::of(&span.findings, &span.evaluations, &span.decision);
    assert_eq!(verdict, Verdict::Review);
}

#[tokio::test]
async fn what_is_kept_apart_waits_in_the_queue_and_for_the_time_that_its_rule_says() {
    let (house, _dir) = house().await;
    let mut span = call("t", "s");
    span["span_type"] = json!("tool");
    span["tool_name"] = json!("payments.transfer");
    house.send(json!([span])).await;
    let review = opened(&house).await;
    assert_eq!((review.queue.as_str(), review.four_eyes), ("money", true));
    assert_eq!(review.due.map(|due| due.0 - review.opened.0), Some(7_200 * 1_000_000_000));
    assert_eq!(review.title, "a transfer");
}

/// A step that the native API calls a tool, by its name alone.
fn mail(trace: &str, span: &str) -> Value {
    let mut step = call(trace, span);
    step["span_type"] = json!("tool");
    step["name"] = json!("mail.send");
    step
}

async fn verdict(house: &House, trace: &str, span: &str) -> Verdict {
    let span = house.span(trace, span).await.unwrap();
    Verdict::of(&span.findings, &span.evaluations, &span.decision)
}

#[tokio::test]
async fn the_verdict_says_what_reviewers_decided_about_what_was_never_kept_apart() {
    for (deed, expected) in [("approved", Verdict::Warning), ("rejected", Verdict::Fail)] {
        let (house, _dir) = house().await;
        house.send(json!([mail("t", "s")])).await;
        let review = opened(&house).await;
        assert_eq!(verdict(&house, "t", "s").await, Verdict::Review);
        let decide = action(json!({ "deed": deed }));
        house.recorder.act_on_review(&caller(&house), &review.id, &decide).await.unwrap();
        assert_eq!(verdict(&house, "t", "s").await, expected, "{deed}");
        let leaves = house.leaves().await;
        house.send(json!([mail("t", "s")])).await;
        assert_eq!(house.leaves().await, leaves, "sent again it changes nothing");
    }
}

#[tokio::test]
async fn nothing_is_redacted_by_a_decision_about_what_is_not_kept_apart() {
    let (house, _dir) = house().await;
    house.send(json!([mail("t", "s")])).await;
    let review = opened(&house).await;
    let erase = action(json!({"deed": "rejected", "handling": "erase"}));
    let refused = house.recorder.act_on_review(&caller(&house), &review.id, &erase).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    assert_eq!(verdict(&house, "t", "s").await, Verdict::Review);
}

#[tokio::test]
async fn what_is_rejected_stays_apart_and_is_not_asked_about_again() {
    let (house, _dir) = house().await;
    house.send(json!([blocked("t")])).await;
    let review = opened(&house).await;
    let reject = action(json!({"deed": "rejected", "reason": "true_positive"}));
    house.recorder.act_on_review(&caller(&house), &review.id, &reject).await.unwrap();
    assert!(house.span("t", "s").await.unwrap().decision.is_quarantine());
    house.recorder.followed_up().await;
    assert_eq!(opened(&house).await.state, ReviewState::Rejected);
}

#[tokio::test]
async fn a_span_that_comes_after_the_decision_is_asked_about_again() {
    let (house, _dir) = house().await;
    house.send(json!([blocked("t")])).await;
    let review = opened(&house).await;
    let approve = action(json!({"deed": "approved"}));
    house.recorder.act_on_review(&caller(&house), &review.id, &approve).await.unwrap();
    house.turn(60);
    let mut late = blocked("t");
    late["span_id"] = json!("late");
    house.send(json!([late])).await;
    house.recorder.followed_up().await;
    let again = opened(&house).await;
    assert_eq!((again.state, again.id.as_str()), (ReviewState::Open, review.id.as_str()));
    assert_eq!(again.span_id.as_ref().map(exhibit_model::SpanId::as_str), Some("late"));
    assert!(again.decided.is_none());
    house.recorder.act_on_review(&caller(&house), &review.id, &approve).await.unwrap();
    for span in ["s", "late"] {
        assert!(!house.span("t", span).await.unwrap().decision.is_quarantine(), "{span}");
    }
}

trait Texts {
    fn input_text(&self) -> String;
}

impl Texts for exhibit_model::Span {
    fn input_text(&self) -> String {
        self.attributes.iter().map(|a| a.value.to_string()).collect()
    }
}

/// Every review, once there are `count` of them.
async fn all(house: &House, count: usize) -> Vec<Review> {
    for _ in 0..100 {
        let query = ReviewQuery { limit: 10, ..ReviewQuery::default() };
        let page = house.recorder.reviews(house.workspace, query).await.unwrap();
        if page.rows.len() == count {
            return page.rows;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{count} reviews were not opened");
}

fn of_tool(trace: &str, span: &str, tool: &str) -> Value {
    let mut one = call(trace, span);
    (one["span_type"], one["tool_name"]) = ("tool".into(), tool.into());
    one
}

#[tokio::test]
async fn the_reviews_of_an_erased_trace_leave_the_queue_with_it() {
    let (house, _dir) = house().await;
    house.send(json!([of_tool("t", "a", "payments.refund"), of_tool("t", "b", "mail.send")])).await;
    house.send(json!([of_tool("other", "a", "mail.send")])).await;
    all(&house, 3).await;
    let workspace = house.recorder.default_workspace().await.unwrap();
    let what = Erase::Trace("t".parse().unwrap());
    house.recorder.erase(&workspace, what, ("request 3", "local"), false).await.unwrap();
    let reviews = all(&house, 3).await;
    let (gone, kept): (Vec<_>, Vec<_>) = reviews.iter().partition(|r| r.trace_id.as_str() == "t");
    for review in &gone {
        let last = review.acts.last().map(|act| (act.by.as_str(), act.deed));
        assert_eq!(last, Some(("erasure", ReviewDeed::Closed)), "{review:?}");
        assert_eq!((review.state, review.version), (ReviewState::Closed, 2));
        let claim = action(json!({"deed": "claimed"}));
        let refused = house.recorder.act_on_review(&caller(&house), &review.id, &claim).await;
        assert!(matches!(&refused, Err(Error::Conflict(why)) if why.contains("erased")));
    }
    assert_eq!((gone.len(), kept.len(), kept[0].state), (2, 1, ReviewState::Open));
    let precision = house.recorder.review_precision(house.workspace).await.unwrap();
    assert_eq!(precision.iter().map(|rule| rule.waiting).sum::<u64>(), 1);
    house.turn(7_200);
    assert_eq!(house.recorder.expire_reviews().await.unwrap(), 0, "a closed one has no deadline");
}

#[tokio::test]
async fn a_review_that_erases_closes_those_that_ask_about_the_same_contents_only() {
    let (house, _dir) = house().await;
    let mut both = of_tool("t", "a", "payments.refund");
    both["input"] = json!({ "prompt": "Pay to DE89370400440532013000 today" });
    house.send(json!([both, of_tool("t", "b", "mail.send")])).await;
    let reviews = all(&house, 3).await;
    let of = |rule: &str| reviews.iter().find(|review| review.rule == rule).unwrap().id.clone();
    let erase = action(json!({"deed": "rejected", "handling": "erase", "reason": "true_positive"}));
    house.recorder.act_on_review(&caller(&house), &of("no-iban"), &erase).await.unwrap();
    let state = async |rule: &str| {
        let review = house.recorder.review(house.workspace, &of(rule)).await.unwrap().unwrap();
        (review.state, review.acts.last().map(|act| act.by.clone()).unwrap_or_default())
    };
    assert_eq!(state("no-iban").await.0, ReviewState::Rejected);
    assert_eq!(state("refund").await, (ReviewState::Closed, "review".to_owned()));
    assert_eq!(state("mail").await.0, ReviewState::Open, "its span is as it was");
}
