//! How two deliveries of the same span become one.
//!
//! The rule works on raw fields only; mapped fields are computed again from the result. An absent
//! field keeps what was there. A terminal state beats `running` in any order of arrival; between two
//! running deliveries the later received wins, between two terminal ones the later end, then the
//! greater digest. `incomplete` is the server's own mark and yields to anything a client sends.

use std::{cmp::Ordering, sync::Arc};

use crate::{Flag, Span, Status};

/// Keyed digest of a delivery as it was received.
pub type Digest = [u8; 16];

fn class(status: Status) -> u8 {
    match status {
        Status::Ok | Status::Error => 2,
        Status::Running => 1,
        Status::Incomplete => 0,
    }
}

/// Which of two deliveries wins where both say something.
pub fn precedence(a: (&Span, Digest), b: (&Span, Digest)) -> Ordering {
    let (class_a, class_b) = (class(a.0.status), class(b.0.status));
    class_a.cmp(&class_b).then_with(|| {
        let by_time =
            if class_a == 2 { a.0.end.cmp(&b.0.end) } else { a.0.received.cmp(&b.0.received) };
        by_time.then_with(|| a.1.cmp(&b.1))
    })
}

/// Merges a stored span with a delivery of the same identity. The mapped fields of the result are
/// those of the winner and MUST be mapped again by the caller.
pub fn merge(stored: (Span, Digest), delivered: (Span, Digest)) -> Span {
    let received = stored.0.received.max(delivered.0.received);
    let both_terminal = stored.0.status.is_terminal() && delivered.0.status.is_terminal();
    let (mut winner, loser) =
        if precedence((&stored.0, stored.1), (&delivered.0, delivered.1)) == Ordering::Greater {
            (stored.0, delivered.0)
        } else {
            (delivered.0, stored.0)
        };
    let gathered = [&winner, &loser].iter().all(|span| span.flags.contains(&Flag::Gathered));
    winner.received = received;
    winner.parent_id = winner.parent_id.or(loser.parent_id);
    winner.name = winner.name.or(loser.name);
    winner.start = match (winner.start, loser.start) {
        // It grows with its steps, whatever order they come in.
        (Some(a), Some(b)) if gathered => Some(a.min(b)),
        (start, other) => start.or(other),
    };
    winner.end = winner.end.or(loser.end);
    // An incomplete span's message is the server's reason; it does not outlive the mark.
    if loser.status != Status::Incomplete {
        winner.status_message = winner.status_message.or(loser.status_message);
    }
    for attribute in loser.attributes {
        if winner.attribute(&attribute.key).is_none() {
            winner.attributes.push(attribute);
        }
    }
    for event in loser.events {
        if !winner.events.contains(&event) {
            winner.events.push(event);
        }
    }
    winner.events.sort_by_key(|e| e.time);
    for link in loser.links {
        if !winner.links.contains(&link) {
            winner.links.push(link);
        }
    }
    if winner.resource.attributes.is_empty() {
        winner.resource = loser.resource;
    }
    if winner.scope.name.is_empty() && winner.scope.attributes.is_empty() {
        winner.scope = Arc::clone(&loser.scope);
    }
    for flag in loser.flags {
        // A flag about the loser's missing pieces no longer holds when the winner has them.
        let obsolete = matches!(
            flag,
            Flag::Stale | Flag::StartMissing | Flag::EndMissing | Flag::EndBeforeStart
        );
        if !obsolete {
            winner.flag(flag);
        }
    }
    if both_terminal && !gathered {
        winner.flag(Flag::Correction);
    }
    winner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attribute, Door, Nanos, SpanId, TraceId};

    fn span(status: Status, received: i64, attributes: &[(&str, i64)]) -> Span {
        let mut span =
            Span::new(TraceId::new("t").unwrap(), SpanId::new("s").unwrap(), Door::Native);
        span.status = status;
        span.received = Nanos(received);
        span.attributes = attributes.iter().map(|(k, v)| Attribute::new(*k, *v)).collect();
        span
    }

    #[test]
    fn a_terminal_state_beats_running_in_any_order_of_arrival() {
        let running = || (span(Status::Running, 9, &[("a", 1), ("b", 1)]), [9; 16]);
        let done = || (span(Status::Ok, 1, &[("b", 2)]), [1; 16]);
        for merged in [merge(running(), done()), merge(done(), running())] {
            assert_eq!(merged.status, Status::Ok);
            assert_eq!(merged.attribute("a"), Some(&1.into()));
            assert_eq!(merged.attribute("b"), Some(&2.into()));
        }
    }

    #[test]
    fn a_gathered_span_grows_with_its_steps_and_is_no_correction() {
        let step = |start: i64, end: i64| {
            let mut span = span(Status::Ok, 1, &[]);
            span.flag(Flag::Gathered);
            (span.start, span.end) = (Some(Nanos(start)), Some(Nanos(end)));
            span
        };
        for (a, b) in [(step(1, 4), step(3, 9)), (step(3, 9), step(1, 4))] {
            let merged = merge((a, [1; 16]), (b, [2; 16]));
            assert_eq!((merged.start, merged.end), (Some(Nanos(1)), Some(Nanos(9))));
            assert!(!merged.flags.contains(&Flag::Correction));
        }
    }

    #[test]
    fn incomplete_yields_to_whatever_a_client_sends() {
        let mut marked = span(Status::Incomplete, 5, &[]);
        marked.status_message = Some("no end in time".into());
        let merged = merge((marked, [9; 16]), (span(Status::Running, 6, &[]), [0; 16]));
        assert_eq!((merged.status, merged.status_message), (Status::Running, None));
    }

    #[test]
    fn a_second_terminal_delivery_is_a_flagged_correction() {
        let merged =
            merge((span(Status::Ok, 1, &[]), [1; 16]), (span(Status::Error, 2, &[]), [2; 16]));
        assert_eq!(merged.status, Status::Error);
        assert!(merged.flags.contains(&Flag::Correction));
    }
}
