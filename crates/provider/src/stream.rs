//! A streamed answer: pulls bytes, cuts them into frames, lets the protocol's decoder turn frames
//! into events. Nothing runs ahead of the reader: bytes are pulled when the next event is asked for.

mod framing;

pub(crate) use framing::Framing;

use crate::error::ProviderError;
use crate::event::{ChatAnswer, ChatEvent};
use crate::options::Limits;
use crate::secret::Secret;
use crate::sse::SseEvent;
use crate::transport::{Opened, Transport};
use futures_util::stream::{BoxStream, Stream, StreamExt, unfold};
use reqwest::Url;
use serde_json::Value;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A streamed answer.
///
/// Gives events until exactly one [`ChatEvent::Finish`] or one error, then `None` for ever.
/// Dropping it closes the connection, which tells the provider to stop.
pub struct ChatStream {
    events: BoxStream<'static, Result<ChatEvent, ProviderError>>,
    request_id: Option<String>,
    attempts: u32,
}

impl ChatStream {
    /// Posts a body and reads what comes back frame by frame through the protocol's decoder, which is
    /// told how many tool calls an answer may hold.
    pub(crate) async fn open(
        transport: &Transport,
        url: &Url,
        body: &Value,
        framing: fn(&Limits) -> Framing,
        decoder: fn(usize) -> Box<dyn Decoder>,
    ) -> Result<Self, ProviderError> {
        let opened = transport.post(url, body.to_string().into()).await?;
        let limits = &transport.options().limits;
        let (request_id, attempts) = (opened.request_id.clone(), opened.attempts);
        let pump = Pump {
            source: Some(opened),
            framing: framing(limits),
            decoder: decoder(limits.tool_calls_max),
            ready: VecDeque::new(),
            failure: None,
            secret: transport.key().cloned(),
        };
        let events = unfold(pump, |mut pump| async move { Some((pump.next().await?, pump)) });
        Ok(Self { events: events.fuse().boxed(), request_id, attempts })
    }

    /// A stream that gives these events: what a provider that is no network service answers with.
    pub fn of(events: Vec<Result<ChatEvent, ProviderError>>) -> Self {
        let events = futures_util::stream::iter(events).fuse().boxed();
        Self { events, request_id: None, attempts: 1 }
    }

    /// The provider's id of the request, from the response headers.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// How many attempts it took to get this answer; 1 when the first succeeded.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next event; `None` after the end.
    pub async fn next_event(&mut self) -> Option<Result<ChatEvent, ProviderError>> {
        self.events.next().await
    }

    /// Reads to the end and puts the answer together. Memory is bounded by
    /// [`crate::Limits::response_bytes_max`].
    ///
    /// # Errors
    /// The stream's error; what came before it is dropped. Read event by event to keep it.
    pub async fn collect_answer(mut self) -> Result<ChatAnswer, ProviderError> {
        let (mut text, mut reasoning, mut tool_calls) = (String::new(), String::new(), Vec::new());
        while let Some(event) = self.next_event().await {
            match event? {
                ChatEvent::Text { text: piece } => text.push_str(&piece),
                ChatEvent::Reasoning { text: piece } => reasoning.push_str(&piece),
                ChatEvent::ToolCall { call } => tool_calls.push(call),
                ChatEvent::Finish { finish } => {
                    return Ok(ChatAnswer { text, reasoning, tool_calls, finish: *finish });
                }
            }
        }
        Err(ProviderError::truncated("the stream was already read to its end"))
    }
}

impl Stream for ChatStream {
    type Item = Result<ChatEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream")
            .field("request_id", &self.request_id)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// One protocol's state machine. Pure: frames in, events out.
pub(crate) trait Decoder: Send {
    /// Takes one frame and appends the events it completes. After a `Finish` no more is given.
    fn accept(
        &mut self,
        frame: &SseEvent,
        events: &mut VecDeque<ChatEvent>,
    ) -> Result<(), ProviderError>;

    /// The body has ended without a `Finish` yet: gives one if the answer is complete without
    /// further marks, else says what is missing.
    fn end(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), ProviderError>;
}

/// Appends a piece of text, unless it is empty.
pub(crate) fn push_text(events: &mut VecDeque<ChatEvent>, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        events.push_back(ChatEvent::Text { text: text.to_owned() });
    }
}

/// Appends a piece of reasoning, unless it is empty.
pub(crate) fn push_reasoning(events: &mut VecDeque<ChatEvent>, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        events.push_back(ChatEvent::Reasoning { text: text.to_owned() });
    }
}

struct Pump {
    /// The response; gone once the stream has ended.
    source: Option<Opened>,
    framing: Framing,
    decoder: Box<dyn Decoder>,
    ready: VecDeque<ChatEvent>,
    /// An error that waits until the events before it are given out.
    failure: Option<ProviderError>,
    secret: Option<Secret>,
}

impl Pump {
    async fn next(&mut self) -> Option<Result<ChatEvent, ProviderError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                if matches!(event, ChatEvent::Finish { .. }) {
                    self.ready.clear();
                    self.failure = None;
                    if let Some(opened) = self.source.take() {
                        opened.release();
                    }
                }
                return Some(Ok(event));
            }
            if let Some(error) = self.failure.take() {
                self.source = None;
                return Some(Err(match &self.secret {
                    Some(secret) => error.map_texts(|text| secret.scrub(text)),
                    None => error,
                }));
            }
            self.source.as_ref()?;
            if let Err(error) = self.fill().await {
                self.failure = Some(error);
            }
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.ready.back(), Some(ChatEvent::Finish { .. }))
    }

    /// Reads until one frame is decoded or the body has ended.
    async fn fill(&mut self) -> Result<(), ProviderError> {
        loop {
            if let Some(frame) = self.framing.next_frame()? {
                return self.decoder.accept(&frame, &mut self.ready);
            }
            let Some(source) = &mut self.source else { return Ok(()) };
            if let Some(piece) = source.next_piece().await? {
                self.framing.push(&piece)?;
                continue;
            }
            if let Some(frame) = self.framing.finish()? {
                // Half a frame at the end is a cut, not bad grammar.
                self.decoder.accept(&frame, &mut self.ready).map_err(|error| match error {
                    ProviderError::Malformed { detail } => ProviderError::Truncated { detail },
                    other => other,
                })?;
            }
            if !self.is_finished() {
                self.decoder.end(&mut self.ready)?;
            }
            return if self.is_finished() {
                Ok(())
            } else {
                Err(ProviderError::truncated("the answer has no end"))
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    /// JSON of any shape under the names that the protocols use.
    fn hostile_json() -> impl Strategy<Value = Value> {
        let names = prop::sample::select(
            "choices delta message content tool_calls function arguments name id index usage type \
             finish_reason parts functionCall args candidates text thinking content_block \
             partial_json stop_reason done usageMetadata promptTokensDetails error details reason \
             cost prompt_tokens completion_tokens response item call_id object output incomplete_details"
                .split_whitespace()
                .collect::<Vec<_>>(),
        );
        let words = prop::sample::select(vec![
            "text",
            "tool_use",
            "content_block_start",
            "content_block_delta",
            "message_start",
            "content_block_stop",
            "input_json_delta",
            "message_stop",
            "message",
            "response",
            "function_call",
            "response.output_text.delta",
            "response.output_item.done",
            "response.completed",
            "thinking",
            "stop",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|float| json!(float)),
            words.prop_map(Value::from),
            ".{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 5, move |inner| {
            let members = prop::collection::vec((names.clone(), inner.clone()), 0..5);
            prop_oneof![
                1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
                3 => members.prop_map(|members| {
                    let owned = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                    Value::Object(owned.collect::<Map<_, _>>())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_frames_make_a_decoder_panic_or_finish_twice(
            frames in prop::collection::vec(hostile_json(), 0..6),
        ) {
            let decoders: [Box<dyn Decoder>; 5] = [
                crate::openai::decoder(3),
                crate::responses::decoder(3),
                crate::anthropic::decoder(3),
                crate::gemini::decoder(3),
                crate::ollama::decoder(3),
            ];
            for mut decoder in decoders {
                let mut events = VecDeque::new();
                let mut failed = false;
                for frame in &frames {
                    let frame = SseEvent { event: String::new(), data: frame.to_string() };
                    failed = decoder.accept(&frame, &mut events).is_err();
                    if failed || matches!(events.back(), Some(ChatEvent::Finish { .. })) {
                        break;
                    }
                }
                let is_finish = |event: &&ChatEvent| matches!(event, ChatEvent::Finish { .. });
                if !failed && events.iter().filter(is_finish).count() == 0 {
                    let _ = decoder.end(&mut events);
                }
                prop_assert!(events.iter().filter(is_finish).count() <= 1);
                let calls = events.iter().filter(|e| matches!(e, ChatEvent::ToolCall { .. })).count();
                prop_assert!(calls <= 3);
            }
        }
    }
}
