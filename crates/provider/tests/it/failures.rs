//! What all four protocols must do alike: answers split anywhere, refusals, rate limits, cuts,
//! garbage, silence, floods, cancellation.

use crate::protocols::{ALL, Protocol, TEXT, quick, test_key};
use crate::scripted_server::{Reply, ScriptedServer};
use exhibit_provider::{
    ChatEvent, ChatRequest, ClientOptions, FinishReason, Limits, ProviderError, RejectionClass,
    RetryPolicy, TimeoutPhase, Timeouts,
};
use std::time::{Duration, Instant};

fn hello() -> ChatRequest {
    ChatRequest::prompt("m-1", "hello")
}

async fn fails(protocol: Protocol, replies: Vec<Reply>, options: ClientOptions) -> ProviderError {
    let server = ScriptedServer::start(replies).await;
    match protocol.client_with(&server.url, options).chat(hello()).await {
        Ok(stream) => stream.collect_answer().await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_answer_is_read_alike_wherever_the_bytes_are_split() {
    for protocol in ALL {
        for bytes in [1, 2, 3, 7, 64, 100_000] {
            let server = ScriptedServer::start([protocol.answer().split_every(bytes)]).await;
            let stream = protocol.client(&server).chat(hello()).await.unwrap();
            assert_eq!((stream.attempts(), stream.request_id()), (1, Some("req-1")));
            let answer = stream.collect_answer().await.unwrap();
            assert_eq!(answer.text, TEXT, "{protocol:?} in pieces of {bytes}");
            assert_eq!(answer.finish.reason, FinishReason::Stop);
            assert_eq!(answer.finish.response_model.as_deref(), Some("m-1"));
            let usage = answer.finish.usage.unwrap();
            assert_eq!((usage.input_tokens, usage.output_tokens), (Some(12), Some(34)));
        }
    }
}

#[tokio::test]
async fn text_arrives_while_the_provider_is_still_answering() {
    for protocol in ALL {
        let body = protocol.body();
        // Everything up to and including the first piece of text, then silence.
        let cut = body.find('世').unwrap();
        let end = cut
            + body[cut..].find('\n').unwrap()
            + if protocol == Protocol::Ollama { 1 } else { 3 };
        let reply = Reply::stream(protocol.content_type(), &body[..end]).then_hang();
        let server = ScriptedServer::start([reply]).await;
        let mut stream = protocol.client(&server).chat(hello()).await.unwrap();
        let event = stream.next_event().await.unwrap().unwrap();
        assert_eq!(event, ChatEvent::Text { text: "Grüße, 世".into() }, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_dropped_stream_ends_the_call_at_the_provider() {
    for protocol in ALL {
        let reply = Reply::stream(protocol.content_type(), "\n").then_hang();
        let server = ScriptedServer::start([reply]).await;
        let mut stream = protocol.client(&server).chat(hello()).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(20), stream.next_event()).await;
        assert!(waiting.is_err(), "nothing has come yet");
        drop(stream);
        server.client_left().await;
    }
}

#[tokio::test]
async fn a_dropped_call_ends_before_it_is_answered() {
    for protocol in ALL {
        let server = ScriptedServer::start([Reply::silence()]).await;
        let client = protocol.client(&server);
        let call = tokio::spawn(async move { client.chat(hello()).await.map(drop) });
        while server.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        call.abort();
        server.client_left().await;
    }
}

#[tokio::test]
async fn after_its_end_a_stream_gives_nothing_more() {
    for protocol in ALL {
        let server = ScriptedServer::start([protocol.answer()]).await;
        let mut stream = protocol.client(&server).chat(hello()).await.unwrap();
        let mut finishes = 0;
        while let Some(event) = stream.next_event().await {
            finishes += usize::from(matches!(event.unwrap(), ChatEvent::Finish { .. }));
        }
        assert_eq!(finishes, 1);
        assert!(stream.next_event().await.is_none());
    }
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    for protocol in ALL {
        let server = ScriptedServer::start([protocol.answer(), protocol.answer()]).await;
        let client = protocol.client(&server);
        for _ in 0..2 {
            client.chat(hello()).await.unwrap().collect_answer().await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 0], "{protocol:?}");
    }
}

#[tokio::test]
async fn refusals_that_may_pass_are_tried_again_and_the_asked_wait_is_kept() {
    for protocol in ALL {
        let replies = [
            Reply::refusal(429, &["retry-after-ms: 150"], r#"{"error":{"message":"slow"}}"#),
            Reply::refusal(529, &[], ""),
            Reply::refusal(503, &["retry-after: 0"], "<html>busy</html>"),
            protocol.answer(),
        ];
        let server = ScriptedServer::start(replies).await;
        let began = Instant::now();
        let stream = protocol.client(&server).chat(hello()).await.unwrap();
        assert_eq!(stream.attempts(), 4);
        assert!(began.elapsed() >= Duration::from_millis(150));
        assert_eq!(stream.collect_answer().await.unwrap().text, TEXT);
        let seen = server.seen();
        assert!(seen.iter().all(|request| request.body == seen[0].body));
    }
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_refusal_is_told() {
    for protocol in ALL {
        let busy = Reply::refusal(500, &["x-request-id: r-9"], r#"{"error":{"message":"oh"}}"#);
        let server = ScriptedServer::start(vec![busy; 9]).await;
        let error = protocol.client(&server).chat(hello()).await.unwrap_err();
        assert_eq!(server.seen().len(), 4);
        let ProviderError::Rejected(rejection) = &error else { panic!("{error}") };
        assert_eq!((rejection.status, rejection.attempts), (500, 4));
        assert_eq!(rejection.request_id.as_deref(), Some("r-9"));
        assert_eq!(error.code(), "server_error");
    }
}

#[tokio::test]
async fn a_longer_wait_than_we_are_ready_for_ends_the_call_at_once() {
    for protocol in ALL {
        let reply = Reply::refusal(429, &["retry-after: 86400"], r#"{"error":{"message":"m"}}"#);
        let error = fails(protocol, vec![reply], quick()).await;
        let ProviderError::Rejected(rejection) = error else { panic!("{error}") };
        assert_eq!(rejection.class, RejectionClass::RateLimited);
        assert_eq!(rejection.retry_after, Some(Duration::from_hours(24)));
        assert_eq!(rejection.attempts, 1);
    }
}

#[tokio::test]
async fn a_final_refusal_is_not_tried_again_and_never_shows_the_key() {
    for protocol in ALL {
        let key = test_key();
        let body = serde_json::json!({"error": {"type": "auth", "message":
            format!("Incorrect API key provided: {}****{}. See {key}", &key[..9], &key[20..])}});
        let server = ScriptedServer::start([Reply::refusal(401, &[], &body.to_string())]).await;
        let client = protocol.client(&server);
        let error = client.chat(hello()).await.unwrap_err();
        assert_eq!(error.code(), "authentication");
        assert_eq!(server.seen().len(), 1);
        for text in [error.to_string(), format!("{error:?}"), format!("{client:?}")] {
            assert!(!text.contains(&key[..9]) && !text.contains(&key[20..]), "{text}");
        }
        assert!(error.to_string().contains("Incorrect API key provided: [key]"), "{error}");
        assert!(server.seen()[0].head.contains(&key), "the key was sent");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_an_answer_never_shows_the_key() {
    for protocol in ALL {
        let event = serde_json::json!({"type": "error",
            "error": {"type": "api_error", "message": format!("used {}", test_key())}});
        let reply = Reply::stream(protocol.content_type(), protocol.frames(&[event]));
        let error = fails(protocol, vec![reply], quick()).await;
        let expected = ProviderError::InStream {
            error_type: Some("api_error".into()),
            message: Some("used [key]".into()),
        };
        assert_eq!(error, expected, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_only_before_the_answer() {
    for protocol in ALL {
        let server = ScriptedServer::start([Reply::broken_connection(), protocol.answer()]).await;
        let stream = protocol.client(&server).chat(hello()).await.unwrap();
        assert_eq!(stream.attempts(), 2);
        stream.collect_answer().await.unwrap();

        let body = protocol.body();
        let half = &body[..body.find('世').unwrap()];
        let reply = Reply::stream(protocol.content_type(), half).then_cut();
        let server = ScriptedServer::start([reply, protocol.answer()]).await;
        let stream = protocol.client(&server).chat(hello()).await.unwrap();
        let error = stream.collect_answer().await.unwrap_err();
        assert_eq!(error.code(), "interrupted", "{protocol:?}: {error}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn nobody_listening_is_a_named_error_without_the_query() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for protocol in ALL {
        let error = protocol.client_with(&url, quick()).chat(hello()).await.unwrap_err();
        let ProviderError::Connect { endpoint, attempts, detail } = error else {
            panic!("{error}")
        };
        assert!(endpoint.starts_with(&url) && attempts == 4, "{endpoint} {attempts}");
        assert!(detail.contains("refused"), "{detail}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_is_cut_off_and_not_complete() {
    for protocol in ALL {
        let body = protocol.body();
        // After whole frames, in the middle of a frame, and before anything.
        let middle = body.find('界').unwrap();
        let frame_end = body.find('世').unwrap();
        let frame_end = frame_end + body[frame_end..].find('\n').unwrap() + 1;
        for end in [frame_end, middle, 0] {
            let reply = Reply::stream(protocol.content_type(), &body[..end]);
            let error = fails(protocol, vec![reply], quick()).await;
            assert_eq!(error.code(), "truncated", "{protocol:?} at {end}: {error}");
        }
    }
}

#[tokio::test]
async fn garbage_is_malformed_and_what_came_before_it_is_kept() {
    for protocol in ALL {
        let body = protocol.body();
        let at = body.find('世').unwrap();
        let end = at + body[at..].find('\n').unwrap() + 1;
        for garbage in ["data: {not json}\n\n", "data: [1,2]\n\n", "data: \"x\"\n\n"] {
            let garbage = match protocol {
                Protocol::Ollama => garbage.trim_start_matches("data: ").to_owned(),
                _ => format!("\n\n{garbage}"),
            };
            let reply =
                Reply::stream(protocol.content_type(), format!("{}{garbage}", &body[..end]));
            let server = ScriptedServer::start([reply.then_hang()]).await;
            let mut stream = protocol.client(&server).chat(hello()).await.unwrap();
            let first = stream.next_event().await.unwrap().unwrap();
            assert_eq!(first, ChatEvent::Text { text: "Grüße, 世".into() });
            let error = stream.next_event().await.unwrap().unwrap_err();
            assert_eq!(error.code(), "malformed", "{protocol:?} {garbage:?}: {error}");
            assert!(stream.next_event().await.is_none());
            server.client_left().await;
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_and_web_pages_are_malformed() {
    for protocol in ALL {
        let page = Reply::stream("text/html; charset=utf-8", "<html>log in</html>");
        assert_eq!(fails(protocol, vec![page], quick()).await.code(), "malformed");
        let bytes = [b"data: ".as_slice(), &[0xff, 0xfe, 0x00, 0x80], b"\n\n"].concat();
        let noise = Reply::stream(protocol.content_type(), bytes);
        assert_eq!(fails(protocol, vec![noise], quick()).await.code(), "malformed");
    }
}

#[tokio::test]
async fn floods_are_refused_at_their_limits() {
    let limits = Limits {
        line_bytes_max: 2_000,
        event_bytes_max: 3_000,
        response_bytes_max: 20_000,
        ..Limits::default()
    };
    for protocol in ALL {
        let options = ClientOptions { limits: limits.clone(), ..quick() };
        let line = Reply::stream(protocol.content_type(), "x".repeat(5_000)).then_hang();
        let error = fails(protocol, vec![line], options.clone()).await;
        assert_eq!(error.code(), "too_large", "{protocol:?}: {error}");

        let endless = if protocol == Protocol::Ollama { "\n" } else { ": keepalive\n\n" };
        let reply = Reply::stream(protocol.content_type(), endless.repeat(20_001)).then_hang();
        let error = fails(protocol, vec![reply.split_every(999)], options.clone()).await;
        let expected = ProviderError::TooLarge { what: "the answer in bytes", limit: 20_000 };
        assert_eq!(error, expected, "{protocol:?}");

        if protocol != Protocol::Ollama {
            let event = format!("data: {}\n", "y".repeat(990)).repeat(4);
            let reply = Reply::stream(protocol.content_type(), event).then_hang();
            let error = fails(protocol, vec![reply], options).await;
            assert_eq!(error.code(), "too_large", "{protocol:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_flood_of_a_refusal_is_read_only_in_part() {
    for protocol in ALL {
        let reply = Reply::refusal(400, &[], &"word ".repeat(100_000)).split_every(10_000);
        let error = fails(protocol, vec![reply], quick()).await;
        assert_eq!(error.code(), "bad_request");
        assert!(error.to_string().len() < 1_000);
    }
}

#[tokio::test]
async fn deeply_nested_json_is_malformed_and_nothing_overflows() {
    for protocol in ALL {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        let frame = if protocol == Protocol::Ollama { deep } else { format!("data: {deep}") };
        let reply = Reply::stream(protocol.content_type(), format!("{frame}\n\n")).then_hang();
        assert_eq!(fails(protocol, vec![reply], quick()).await.code(), "malformed");
    }
}

#[tokio::test]
async fn every_wait_runs_out_under_its_own_name() {
    let short = Duration::from_millis(100);
    for protocol in ALL {
        let blank = Reply::stream(protocol.content_type(), "\n");
        let dripping = Reply::stream(protocol.content_type(), "\n".repeat(1_000));
        let dripping = dripping.split_every(1).pausing(Duration::from_millis(20));
        let long = quick().timeouts;
        let cases = [
            (
                Reply::silence(),
                Timeouts { first_byte: short, ..long.clone() },
                TimeoutPhase::FirstByte,
            ),
            (
                blank.then_hang(),
                Timeouts { between_chunks: short, ..long.clone() },
                TimeoutPhase::BetweenChunks,
            ),
            (dripping, Timeouts { total: short, ..long }, TimeoutPhase::Total),
        ];
        for (reply, timeouts, phase) in cases {
            let error = fails(protocol, vec![reply], ClientOptions { timeouts, ..quick() }).await;
            let ProviderError::Timeout { phase: found, .. } = error else { panic!("{error}") };
            assert_eq!(found, phase, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_wait_that_would_outlast_the_call_is_not_begun() {
    let timeouts = Timeouts { total: Duration::from_millis(500), ..quick().timeouts };
    let options = ClientOptions { timeouts, retry: RetryPolicy::default(), ..quick() };
    for protocol in ALL {
        let began = Instant::now();
        let reply = Reply::refusal(429, &["retry-after: 5"], "");
        let error = fails(protocol, vec![reply], options.clone()).await;
        assert_eq!(error.code(), "rate_limited");
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for protocol in ALL {
        let elsewhere = ScriptedServer::start([protocol.answer()]).await;
        let location = format!("location: {}/", elsewhere.url);
        let reply = Reply::refusal(307, &[&location], "");
        let error = fails(protocol, vec![reply], quick()).await;
        assert_eq!(error.code(), "redirected");
        assert!(elsewhere.seen().is_empty());
    }
}

#[tokio::test]
async fn a_call_without_a_model_is_not_sent() {
    for protocol in ALL {
        let server = ScriptedServer::start([]).await;
        let error = protocol.client(&server).chat(ChatRequest::prompt(" ", "x")).await.unwrap_err();
        assert_eq!(error.code(), "invalid_request");
        assert!(server.seen().is_empty());
    }
}
