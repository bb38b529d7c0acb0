//! From one state of a review to the next: who may do what when. Pure.

use exhibit_model::{Nanos, Review, ReviewAct, ReviewDeed, ReviewReason, ReviewState, SpanId};
use serde::Deserialize;

use crate::{Error, accept::Handling};

/// Longest comment, characters.
const COMMENT_CHARS_MAX: usize = 4_000;
/// Most acts of one review: beyond that only decisions.
const ACTS_MAX: usize = 200;

/// What somebody wants to do to a review.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewAction {
    /// What; `opened` and `expired` are not for people.
    pub deed: ReviewDeed,
    /// Why, with a decision.
    #[serde(default)]
    pub reason: Option<ReviewReason>,
    /// In words.
    #[serde(default)]
    pub comment: Option<String>,
    /// To whom, when it is assigned or escalated: `user:<id>`, `key:<id>` or a name.
    #[serde(default)]
    pub assignee: Option<String>,
    /// What becomes of what is quarantined: with an approval it is released unless said otherwise,
    /// with a rejection it stays as it is.
    #[serde(default)]
    pub handling: Option<Handling>,
}

impl ReviewAction {
    /// What is to be done to the spans now that the review stands like this.
    pub(super) fn carried_out(&self, review: &Review) -> Option<Handling> {
        match (self.deed, review.state) {
            (ReviewDeed::Approved, ReviewState::Approved) => {
                Some(self.handling.unwrap_or(Handling::Release))
            }
            (ReviewDeed::Rejected, ReviewState::Rejected) => {
                Some(self.handling.unwrap_or(Handling::Keep))
            }
            _ => None,
        }
    }
}

fn conflict(message: &str) -> Error {
    Error::Conflict(message.to_owned())
}

/// The review after an act.
pub(super) fn apply(
    mut review: Review,
    action: &ReviewAction,
    by: &str,
    now: Nanos,
) -> Result<Review, Error> {
    let invalid = |field, message: &str| Err(Error::Invalid { field, message: message.to_owned() });
    if action.comment.as_ref().is_some_and(|text| text.chars().count() > COMMENT_CHARS_MAX) {
        return invalid("comment", "is longer than 4,000 characters");
    }
    let decides = matches!(action.deed, ReviewDeed::Approved | ReviewDeed::Rejected);
    if action.reason.is_some() && !decides {
        return invalid("reason", "belongs to `approved` and `rejected`");
    }
    if action.handling.is_some() && !decides {
        return invalid("handling", "belongs to `approved` and `rejected`");
    }
    if action.deed == ReviewDeed::Rejected && action.handling == Some(Handling::Release) {
        return invalid("handling", "what is rejected is not released; approve it instead");
    }
    if action.reason == Some(ReviewReason::Other) && action.comment.is_none() {
        return invalid("comment", "say what the other reason is");
    }
    if action.assignee.as_ref().is_some_and(|to| to.is_empty() || to.len() > 200) {
        return invalid("assignee", "must have 1 to 200 bytes");
    }
    if review.acts.len() >= ACTS_MAX && !decides {
        return Err(conflict("this review has had enough acts; decide it"));
    }
    if action.deed != ReviewDeed::Commented && !review.state.is_waiting() {
        // What has expired can still be decided, or it would be kept apart for ever.
        if !(decides && review.state == ReviewState::Expired) {
            return Err(conflict(match review.state {
                ReviewState::Expired => {
                    "this review has expired; approve or reject it, or add a comment"
                }
                ReviewState::Closed => {
                    "what this review asks about was erased; only comments can be added"
                }
                _ => "this review is decided; only comments can be added",
            }));
        }
    }
    match action.deed {
        ReviewDeed::Opened | ReviewDeed::Expired | ReviewDeed::Closed => {
            return invalid("deed", "`opened`, `expired` and `closed` are not for people");
        }
        ReviewDeed::Commented => {
            if action.comment.is_none() {
                return invalid("comment", "is missing");
            }
        }
        ReviewDeed::Claimed => {
            if review.assignee.as_deref().is_some_and(|other| other != by) {
                return Err(conflict(
                    "somebody else has it; it must be given back or assigned first",
                ));
            }
            review.assignee = Some(by.to_owned());
            if review.state == ReviewState::Open {
                review.state = ReviewState::Claimed;
            }
        }
        ReviewDeed::Released => {
            if review.assignee.is_none() {
                return Err(conflict("nobody has it"));
            }
            review.assignee = None;
            if review.state == ReviewState::Claimed {
                review.state = ReviewState::Open;
            }
        }
        ReviewDeed::Assigned => match &action.assignee {
            None => return invalid("assignee", "is missing"),
            Some(to) => {
                review.assignee = Some(to.clone());
                if review.state == ReviewState::Open {
                    review.state = ReviewState::Claimed;
                }
            }
        },
        ReviewDeed::Escalated => {
            review.state = ReviewState::Escalated;
            review.assignee.clone_from(&action.assignee);
        }
        ReviewDeed::Approved => {
            let approved = |act: &ReviewAct| act.deed == ReviewDeed::Approved;
            let round = since_opened(&review.acts);
            if review.four_eyes && !round.iter().any(approved) {
                if review.state == ReviewState::Open {
                    review.state = ReviewState::Claimed;
                }
                // Somebody else has to look now.
                review.assignee = None;
            } else if review.four_eyes && round.iter().any(|act| approved(act) && act.by == by) {
                return Err(conflict(
                    "two people must approve this; somebody else has to look too",
                ));
            } else {
                review.state = ReviewState::Approved;
                review.decided = Some(now);
            }
        }
        ReviewDeed::Rejected => {
            review.state = ReviewState::Rejected;
            review.decided = Some(now);
        }
    }
    push(&mut review, now, by, action.deed);
    if let Some(act) = review.acts.last_mut() {
        act.reason = action.reason;
        act.comment.clone_from(&action.comment);
    }
    Ok(review)
}

/// The acts since a rule last asked.
fn since_opened(acts: &[ReviewAct]) -> &[ReviewAct] {
    let last = acts.iter().rposition(|act| act.deed == ReviewDeed::Opened);
    acts.get(last.unwrap_or_default()..).unwrap_or_default()
}

/// A decided review that is opened again, since its rule speaks of a span that nobody has seen.
pub(super) fn reopen(
    mut review: Review,
    span: Option<SpanId>,
    due: Option<Nanos>,
    now: Nanos,
) -> Review {
    review.state = ReviewState::Open;
    (review.assignee, review.decided) = (None, None);
    (review.span_id, review.due, review.opened) = (span, due, now);
    push(&mut review, now, "rule", ReviewDeed::Opened);
    review
}

/// The review after its time ran out.
pub(super) fn expire(mut review: Review, now: Nanos) -> Review {
    review.state = ReviewState::Expired;
    push(&mut review, now, "clock", ReviewDeed::Expired);
    review
}

/// The review after what it asks about was erased, by `erasure`, `retention` or another `review`.
pub(super) fn close(mut review: Review, by: &str, now: Nanos) -> Review {
    review.state = ReviewState::Closed;
    push(&mut review, now, by, ReviewDeed::Closed);
    review
}

fn push(review: &mut Review, at: Nanos, by: &str, deed: ReviewDeed) {
    review.acts.push(ReviewAct { at, by: by.to_owned(), deed, reason: None, comment: None });
    review.version = review.version.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use exhibit_model::Severity;

    use super::*;

    fn review(four_eyes: bool) -> Review {
        Review {
            id: "rv_1".into(),
            trace_id: "t".parse().unwrap(),
            span_id: None,
            policy: "p".into(),
            rule: "r".into(),
            title: "Look".into(),
            severity: Severity::High,
            queue: "default".into(),
            state: ReviewState::Open,
            assignee: None,
            four_eyes,
            opened: Nanos(1),
            due: Some(Nanos(9)),
            decided: None,
            acts: Vec::new(),
            version: 1,
        }
    }

    fn act(deed: ReviewDeed) -> ReviewAction {
        ReviewAction { deed, reason: None, comment: None, assignee: None, handling: None }
    }

    #[test]
    fn two_different_people_must_approve_where_the_rule_says_so() {
        let approve = act(ReviewDeed::Approved);
        let once = apply(review(true), &approve, "user:ann", Nanos(2)).unwrap();
        assert_eq!(once.state, ReviewState::Claimed);
        assert_eq!(approve.carried_out(&once), None);
        assert!(matches!(
            apply(once.clone(), &approve, "user:ann", Nanos(3)),
            Err(Error::Conflict(_))
        ));
        let twice = apply(once, &approve, "user:bob", Nanos(3)).unwrap();
        assert_eq!((twice.state, twice.decided), (ReviewState::Approved, Some(Nanos(3))));
        assert_eq!(approve.carried_out(&twice), Some(Handling::Release));
    }

    #[test]
    fn an_approval_of_what_came_before_does_not_count_for_what_came_later() {
        let approve = act(ReviewDeed::Approved);
        let once = apply(review(true), &approve, "user:ann", Nanos(2)).unwrap();
        let twice = apply(once, &approve, "user:bob", Nanos(3)).unwrap();
        let again = reopen(twice, None, None, Nanos(4));
        assert_eq!((again.state, again.decided, again.opened), (ReviewState::Open, None, Nanos(4)));
        let once = apply(again, &approve, "user:ann", Nanos(5)).unwrap();
        assert_eq!(once.state, ReviewState::Claimed);
        let twice = apply(once, &approve, "user:bob", Nanos(6)).unwrap();
        assert_eq!(twice.state, ReviewState::Approved);
    }

    #[test]
    fn what_somebody_has_is_not_taken_from_them() {
        let held = apply(review(false), &act(ReviewDeed::Claimed), "user:ann", Nanos(2)).unwrap();
        assert!(apply(held.clone(), &act(ReviewDeed::Claimed), "user:bob", Nanos(3)).is_err());
        let back = apply(held, &act(ReviewDeed::Released), "user:bob", Nanos(3)).unwrap();
        assert_eq!((back.state, back.assignee), (ReviewState::Open, None));
    }

    #[test]
    fn what_is_decided_takes_comments_only_and_what_expired_can_be_decided() {
        let done = apply(review(false), &act(ReviewDeed::Rejected), "local", Nanos(2)).unwrap();
        assert!(apply(done.clone(), &act(ReviewDeed::Approved), "local", Nanos(3)).is_err());
        let word =
            ReviewAction { comment: Some("see the ticket".into()), ..act(ReviewDeed::Commented) };
        assert_eq!(apply(done, &word, "local", Nanos(3)).unwrap().state, ReviewState::Rejected);
        let late = expire(review(false), Nanos(10));
        assert_eq!(late.state, ReviewState::Expired);
        assert!(apply(late.clone(), &act(ReviewDeed::Claimed), "local", Nanos(11)).is_err());
        let decided = apply(late, &act(ReviewDeed::Approved), "local", Nanos(11)).unwrap();
        assert_eq!(decided.state, ReviewState::Approved);
    }

    #[test]
    fn what_is_closed_takes_comments_only_and_nobody_closes_by_hand() {
        let gone = close(review(true), "erasure", Nanos(10));
        let last = gone.acts.last().map(|act| (act.by.as_str(), act.deed));
        assert_eq!(last, Some(("erasure", ReviewDeed::Closed)));
        assert!(!gone.state.is_undecided() && gone.decided.is_none());
        assert_eq!(gone.rule_was_right(), None);
        for deed in [ReviewDeed::Claimed, ReviewDeed::Approved, ReviewDeed::Rejected] {
            assert!(apply(gone.clone(), &act(deed), "local", Nanos(11)).is_err(), "{deed:?}");
        }
        let word = ReviewAction { comment: Some("why?".into()), ..act(ReviewDeed::Commented) };
        assert_eq!(apply(gone, &word, "local", Nanos(11)).unwrap().state, ReviewState::Closed);
        assert!(apply(review(true), &act(ReviewDeed::Closed), "local", Nanos(2)).is_err());
    }
}
