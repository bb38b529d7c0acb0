//! The five protocols side by side: how to make a client, and one realistic answer in each.

use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{
    Anthropic, AuthHeader, ClientOptions, Connection, Gemini, Ollama, OpenAiCompatible,
    OpenAiResponses, Provider, RetryPolicy, Secret, Timeouts,
};
use serde_json::json;
use std::time::Duration;

/// The text of every [`Protocol::answer`].
pub(crate) const TEXT: &str = "Grüße, 世界 — \"quoted\" 🚀\nsecond line";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Protocol {
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
}

pub(crate) const ALL: [Protocol; 5] = [
    Protocol::OpenAi,
    Protocol::Responses,
    Protocol::Anthropic,
    Protocol::Gemini,
    Protocol::Ollama,
];

/// A key that is none, put together so that nothing in this file looks like one.
pub(crate) fn test_key() -> String {
    ["zz", "test", "0123456789", "abcdefghij"].join("-")
}

/// Waits short enough for tests.
pub(crate) fn quick() -> ClientOptions {
    ClientOptions {
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(5),
            between_chunks: Duration::from_secs(5),
            total: Duration::from_secs(20),
        },
        retry: RetryPolicy { delay_base: Duration::from_millis(1), ..RetryPolicy::default() },
        ..ClientOptions::default()
    }
}

impl Protocol {
    pub(crate) fn client_with(self, url: &str, options: ClientOptions) -> Box<dyn Provider> {
        let key = Some(Secret::new(&test_key()).unwrap());
        let connection = |auth, base_url| Connection {
            name: "scripted".into(),
            base_url,
            key: key.clone(),
            auth,
            options: options.clone(),
        };
        match self {
            Self::OpenAi => Box::new(
                OpenAiCompatible::new(connection(AuthHeader::Bearer, format!("{url}/v1"))).unwrap(),
            ),
            Self::Responses => Box::new(
                OpenAiResponses::new(connection(AuthHeader::Bearer, format!("{url}/v1"))).unwrap(),
            ),
            Self::Anthropic => {
                Box::new(Anthropic::new(connection(AuthHeader::XApiKey, url.into())).unwrap())
            }
            Self::Gemini => {
                Box::new(Gemini::new(connection(AuthHeader::XGoogApiKey, url.into())).unwrap())
            }
            Self::Ollama => {
                Box::new(Ollama::new(connection(AuthHeader::Bearer, url.into())).unwrap())
            }
        }
    }

    pub(crate) fn client(self, server: &ScriptedServer) -> Box<dyn Provider> {
        self.client_with(&server.url, quick())
    }

    pub(crate) fn content_type(self) -> &'static str {
        if self == Self::Ollama { "application/x-ndjson" } else { "text/event-stream" }
    }

    /// Packs JSON values the way the protocol streams them.
    pub(crate) fn frames(self, values: &[serde_json::Value]) -> String {
        values
            .iter()
            .map(|value| match self {
                Self::Ollama => format!("{value}\n"),
                Self::Responses | Self::Anthropic => {
                    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap())
                }
                Self::OpenAi => format!("data: {value}\n\n"),
                Self::Gemini => format!("data: {value}\r\n\r\n"),
            })
            .collect()
    }

    /// A complete answer that says [`TEXT`] in two pieces.
    pub(crate) fn body(self) -> String {
        let (first, second) = TEXT.split_at(TEXT.find('界').unwrap());
        match self {
            Self::OpenAi => {
                let chunk = |delta, reason: Option<&str>| {
                    json!({"id": "cmpl-1", "object": "chat.completion.chunk", "model": "m-1",
                        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
                };
                let usage = json!({"id": "cmpl-1", "model": "m-1", "choices": [],
                    "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}});
                self.frames(&[
                    chunk(json!({"role": "assistant", "content": ""}), None),
                    chunk(json!({"content": first}), None),
                    chunk(json!({"content": second}), None),
                    chunk(json!({}), Some("stop")),
                    usage,
                ]) + "data: [DONE]\n\n"
            }
            Self::Responses => {
                let delta = |text: &str| {
                    json!({"type": "response.output_text.delta", "item_id": "msg_1",
                        "output_index": 0, "content_index": 0, "delta": text})
                };
                self.frames(&[
                    json!({"type": "response.created", "response": {"id": "cmpl-1",
                        "object": "response", "status": "in_progress", "model": "m-1",
                        "error": null, "output": []}}),
                    json!({"type": "response.output_item.added", "output_index": 0,
                        "item": {"type": "message", "id": "msg_1", "content": []}}),
                    delta(first),
                    delta(second),
                    json!({"type": "response.output_text.done", "text": TEXT}),
                    json!({"type": "response.output_item.done", "output_index": 0,
                        "item": {"type": "message", "id": "msg_1", "role": "assistant",
                            "content": [{"type": "output_text", "text": TEXT}]}}),
                    json!({"type": "response.completed", "response": {"id": "cmpl-1",
                        "object": "response", "status": "completed", "model": "m-1",
                        "error": null, "incomplete_details": null,
                        "usage": {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46,
                            "input_tokens_details": {"cached_tokens": 0},
                            "output_tokens_details": {"reasoning_tokens": 0}}}}),
                ])
            }
            Self::Anthropic => self.frames(&[
                json!({"type": "message_start", "message": {"id": "cmpl-1", "model": "m-1",
                    "content": [], "usage": {"input_tokens": 12, "output_tokens": 1}}}),
                json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "text", "text": ""}}),
                json!({"type": "ping"}),
                json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": first}}),
                json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": second}}),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 34}}),
                json!({"type": "message_stop"}),
            ]),
            Self::Gemini => {
                let part = |text: &str| json!({"content": {"role": "model", "parts": [{"text": text}]}, "index": 0});
                let mut last = part(second);
                last["finishReason"] = "STOP".into();
                self.frames(&[
                    json!({"candidates": [part(first)], "responseId": "cmpl-1", "modelVersion": "m-1"}),
                    json!({"candidates": [last], "responseId": "cmpl-1", "modelVersion": "m-1",
                        "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 34,
                            "totalTokenCount": 46}}),
                ])
            }
            Self::Ollama => self.frames(&[
                json!({"model": "m-1", "message": {"role": "assistant", "content": first},
                    "done": false}),
                json!({"model": "m-1", "message": {"role": "assistant", "content": second},
                    "done": false}),
                json!({"model": "m-1", "message": {"role": "assistant", "content": ""},
                    "done": true, "done_reason": "stop", "prompt_eval_count": 12,
                    "eval_count": 34, "total_duration": 5_191_566_416_u64}),
            ]),
        }
    }

    pub(crate) fn answer(self) -> Reply {
        Reply::stream(self.content_type(), self.body())
    }
}
