//! Live events, over WebSocket and as server-sent events.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::Request},
};

use crate::bench::{Bench, batch, span};

type Socket = WebSocketStream<TcpStream>;

async fn open(bench: &Bench, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
    let mut request: Request<()> = format!("ws://{}/ws", bench.main).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(bench.main).await.unwrap();
    client_async(request, stream).await.map(|(socket, _)| socket)
}

async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(8), socket.next()).await.unwrap();
        match message {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return None,
        }
    }
}

async fn say(socket: &mut Socket, message: Value) {
    socket.send(Message::Text(message.to_string().into())).await.unwrap();
}

async fn ingest(bench: &Bench, key: &str, span: Value) {
    bench.post("/api/v1/ingest/spans").key(key).json(&batch(&[span])).send().await.expect(201);
}

#[tokio::test]
async fn a_watcher_sees_a_span_start_and_end_and_resumes_where_it_was() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let mut socket = open(&bench, &[("x-api-key", &key)]).await.unwrap();
    let hello = next(&mut socket).await.unwrap();
    assert_eq!(hello["type"], "system.connected");
    say(&mut socket, json!({ "type": "ping", "ts": 42 })).await;
    let pong = next(&mut socket).await.unwrap();
    assert_eq!(pong, json!({ "type": "system.pong", "timestamp": 42 }));

    let mut running = span("t", "s", None);
    running["status"] = json!("running");
    running["end_time"] = json!(null);
    ingest(&bench, &key, running).await;
    let created = next(&mut socket).await.unwrap();
    assert_eq!(
        (&created["type"], &created["trace"]["trace_id"]),
        (&json!("trace.created"), &json!("t"))
    );
    assert_eq!(created["trace"]["status"], "running");
    let started = next(&mut socket).await.unwrap();
    assert_eq!(
        (&started["type"], &started["span"]["span_id"]),
        (&json!("span.started"), &json!("s"))
    );
    ingest(&bench, &key, span("t", "s", None)).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "trace.updated");
    let ended = next(&mut socket).await.unwrap();
    assert_eq!((&ended["type"], &ended["span"]["status"]), (&json!("span.ended"), &json!("ok")));
    drop(socket);

    // Another watcher goes on after the first event.
    let mut again = open(&bench, &[("x-api-key", &key)]).await.unwrap();
    next(&mut again).await.unwrap();
    say(&mut again, json!({ "type": "subscribe", "after": created["cursor"] })).await;
    assert_eq!(next(&mut again).await.unwrap()["type"], "system.subscribed");
    let event = next(&mut again).await.unwrap();
    assert_eq!(event["cursor"], ended["cursor"]);
    assert_eq!(event["trace"]["status"], "ok");
}

#[tokio::test]
async fn a_watcher_of_one_trace_hears_of_no_other() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let mut socket = open(&bench, &[("x-api-key", &key)]).await.unwrap();
    next(&mut socket).await.unwrap();
    say(&mut socket, json!({ "type": "subscribe", "trace_id": "b" })).await;
    next(&mut socket).await.unwrap();
    ingest(&bench, &key, span("a", "1", None)).await;
    ingest(&bench, &key, span("b", "1", None)).await;
    assert_eq!(next(&mut socket).await.unwrap()["trace"]["trace_id"], "b");
}

#[tokio::test]
async fn a_socket_is_opened_by_cookie_subprotocol_or_first_message_only() {
    let bench = Bench::start().await;
    let key = bench.key("read").await;
    let protocol = format!("exhibit.key.{key}");
    let mut socket = open(&bench, &[("sec-websocket-protocol", &protocol)]).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["type"], "system.connected");

    let mut socket = open(&bench, &[]).await.unwrap();
    say(&mut socket, json!({ "type": "auth", "key": key })).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "system.connected");
    say(&mut socket, json!({ "type": "unsubscribe" })).await;
    assert_eq!(next(&mut socket).await.unwrap()["code"], "malformed");

    for first in [json!({ "type": "auth", "key": "wrong" }), json!({ "type": "ping" })] {
        let mut socket = open(&bench, &[]).await.unwrap();
        say(&mut socket, first).await;
        assert_eq!(next(&mut socket).await.unwrap()["type"], "system.error");
        assert!(next(&mut socket).await.is_none());
    }
    let writer = bench.key("ingest").await;
    for headers in [[("x-api-key", "wrong")], [("x-api-key", writer.as_str())]] {
        assert!(matches!(open(&bench, &headers).await, Err(Error::Http(_))));
    }

    let who = json!({ "email": "ada@example.org", "password": "correct horse battery" });
    bench.post("/api/v1/auth/register").json(&who).send().await.expect(201);
    let login = bench.post("/api/v1/auth/login").json(&who).send().await;
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    let own = format!("http://{}", bench.main);
    let mut socket = open(&bench, &[("cookie", &cookie), ("origin", &own)]).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["type"], "system.connected");
    let foreign = open(&bench, &[("cookie", &cookie), ("origin", "http://evil.example")]).await;
    assert!(matches!(foreign, Err(Error::Http(answer)) if answer.status() == 403));
}

#[tokio::test]
async fn workspaces_hear_only_of_themselves_and_connections_are_bounded() {
    let bench = Bench::with(|_, limits| limits.live_connections_max = 1).await;
    let key = bench.key("ingest,read").await;
    let who = json!({ "email": "ada@example.org", "password": "correct horse battery" });
    bench.post("/api/v1/auth/register").json(&who).send().await.expect(201);
    let login = bench.post("/api/v1/auth/login").json(&who).send().await;
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    let mut other = open(&bench, &[("cookie", &cookie)]).await.unwrap();
    next(&mut other).await.unwrap();
    let full = open(&bench, &[("x-api-key", &key)]).await;
    assert!(matches!(full, Err(Error::Http(answer)) if answer.status() == 503));
    ingest(&bench, &key, span("t", "1", None)).await;
    say(&mut other, json!({ "type": "ping", "ts": 1 })).await;
    assert_eq!(next(&mut other).await.unwrap()["type"], "system.pong");
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let bench = Bench::start().await;
    let key = bench.key("read").await;
    let mut socket = open(&bench, &[("x-api-key", &key)]).await.unwrap();
    next(&mut socket).await.unwrap();
    bench.stop.send(true).unwrap();
    assert!(next(&mut socket).await.is_none());
    tokio::time::timeout(Duration::from_secs(5), bench.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn server_sent_events_tell_the_same() {
    let bench = Bench::start().await;
    let key = bench.key("ingest,read").await;
    let text =
        format!("GET /api/v1/live HTTP/1.1\r\nhost: {}\r\nx-api-key: {key}\r\n\r\n", bench.main);
    let mut stream = TcpStream::connect(bench.main).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    let mut sent = false;
    while !seen.contains("event: span.ended") {
        let read = stream.read(&mut buffer);
        let n = tokio::time::timeout(Duration::from_secs(5), read).await.unwrap().unwrap();
        assert!(n > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        if !sent && seen.contains("system.connected") {
            sent = true;
            ingest(&bench, &key, span("t", "1", None)).await;
        }
    }
    assert!(seen.contains("text/event-stream") && seen.contains("event: trace.created"), "{seen}");
    assert!(seen.contains("\nid: "), "{seen}");
}
