//! What was refused, kept for people to read.
//!
//! An entry that could be decoded is kept after the rules in force have been through it, exactly as
//! they go through a span; of what could not be decoded only a keyed digest, its length and the
//! error stay. Keeping a letter never fails the request it came with.

use std::hash::Hasher as _;

use exhibit_capture::Rejected;
use exhibit_model::{Attribute, Door, Json, JsonMap, Span, SpanId, TraceId, WorkspaceId};
use exhibit_store::{DeadLetter, Page};
use siphasher::sip128::Hasher128 as _;

use crate::{Error, Recorder, rules::Loaded};

/// Most letters of one request: one bad client must not push out everybody else's at once.
const PER_REQUEST_MAX: usize = 200;
/// Longest reason that is kept, characters.
const REASON_CHARS: usize = 500;

impl Recorder {
    /// Keeps the refused entries of a request.
    pub async fn bury(&self, workspace: WorkspaceId, door: &str, rejected: &[Rejected]) {
        let rules = self.rules.current();
        let letters = rejected.iter().take(PER_REQUEST_MAX).map(|one| {
            let sent = one.body.as_ref().map(Json::to_string);
            let bytes = sent.as_deref().unwrap_or_default();
            let mut letter = self.letter(door, bytes.as_bytes(), &one.reason, &one.pointer);
            letter.index = Some(one.index as u64);
            // What is far beyond what is kept is not worth reading through.
            let readable = bytes.len() <= self.limits.dead_letter_bytes_max.saturating_mul(16);
            // They lie in the open: where payloads are encrypted, none of one may be here.
            let readable = readable && self.keys.sealing().is_none();
            let body = one.body.clone().filter(|_| readable);
            let words = [one.trace_id.clone(), one.span_id.clone(), Some(one.reason.clone())];
            let (body, [trace_id, span_id, reason]) = governed(&rules, body, words);
            (letter.trace_id, letter.span_id) = (trace_id, span_id);
            letter.reason = reason.unwrap_or_default().chars().take(REASON_CHARS).collect();
            let body = body.map(|body| body.to_string());
            let cut = body.as_ref().is_some_and(|b| b.len() > self.limits.dead_letter_bytes_max);
            letter.cut = cut || !readable;
            letter.body = body.map(|mut body| {
                let mut end = self.limits.dead_letter_bytes_max.min(body.len());
                while !body.is_char_boundary(end) {
                    end -= 1;
                }
                body.truncate(end);
                body
            });
            letter
        });
        let letters = letters.collect();
        self.keep_letters(workspace, letters).await;
    }

    /// Keeps what can be told of a request that could not be decoded: no text of it.
    pub async fn bury_undecoded(
        &self,
        workspace: WorkspaceId,
        door: &str,
        body: &[u8],
        reason: &str,
        pointer: &str,
    ) {
        let letter = self.letter(door, body, reason, pointer);
        self.keep_letters(workspace, vec![letter]).await;
    }

    /// A page of letters, newest first.
    pub async fn dead_letters(
        &self,
        workspace: WorkspaceId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<DeadLetter>, Error> {
        let limit = limit.clamp(1, self.limits.page_rows_max);
        Ok(self.store.dead_letters(workspace, after, limit).await?)
    }

    /// Removes all letters of a workspace; how many there were.
    pub async fn clear_dead_letters(&self, workspace: WorkspaceId) -> Result<u64, Error> {
        Ok(self.store.clear_dead_letters(workspace).await?)
    }

    async fn keep_letters(&self, workspace: WorkspaceId, letters: Vec<DeadLetter>) {
        let keep = self.limits.dead_letters_max as u64;
        if let Err(error) = self.store.bury(workspace, letters, keep).await {
            tracing::warn!(%error, "refused entries could not be kept");
        }
    }

    fn letter(&self, door: &str, sent: &[u8], reason: &str, pointer: &str) -> DeadLetter {
        let mut hasher = self.vault.deliveries();
        hasher.write(sent);
        DeadLetter {
            id: String::new(),
            received: self.now(),
            door: door.to_owned(),
            index: None,
            pointer: pointer.chars().take(REASON_CHARS).collect(),
            reason: reason.chars().take(REASON_CHARS).collect(),
            trace_id: None,
            span_id: None,
            body: None,
            cut: false,
            bytes: sent.len() as u64,
            digest: hasher.finish128().as_u128().to_be_bytes(),
        }
    }
}

/// Lets the rules go through an entry and the words beside it, as the attributes of a span that is
/// never stored.
fn governed<const N: usize>(
    rules: &Loaded,
    body: Option<Json>,
    words: [Option<String>; N],
) -> (Option<Json>, [Option<String>; N]) {
    let nobody = (TraceId::new("dead-letter"), SpanId::new("dead-letter"));
    let (Ok(trace), Ok(id)) = nobody else { return (None, [const { None }; N]) };
    let mut span = Span::new(trace, id, Door::Server);
    let is_object = matches!(body, Some(Json::Object(_)));
    let had_body = body.is_some();
    match body {
        Some(Json::Object(map)) => {
            span.attributes = map.into_iter().map(|(k, v)| Attribute::new(k, v)).collect();
        }
        Some(other) => span.attributes.push(Attribute::new("entry", other)),
        None => {}
    }
    let own = span.attributes.len();
    for word in &words {
        let text = word.clone().unwrap_or_default();
        span.attributes
            .push(Attribute::new(format!("dead-letter.{}", span.attributes.len()), text));
    }
    rules.rules.evaluate(&mut span);
    let mut beside = span.attributes.split_off(own.min(span.attributes.len())).into_iter();
    let words = words.map(|word| {
        let text = beside.next().and_then(|a| a.value.as_str().map(str::to_owned));
        word.and(text)
    });
    let body = if is_object {
        let map: JsonMap = span.attributes.into_iter().map(|a| (a.key, a.value)).collect();
        Some(Json::Object(map))
    } else {
        span.attributes.into_iter().next().map(|a| a.value)
    };
    // What rules keep apart is not kept here for everybody to read.
    let open = had_body && !span.decision.is_quarantine();
    (body.filter(|_| open), words)
}
