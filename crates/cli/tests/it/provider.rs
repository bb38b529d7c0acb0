//! A scripted provider that speaks the common chat protocol.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

/// A provider on a free port. Answers every call the same way.
pub(crate) struct Provider {
    pub(crate) base_url: String,
    /// The bodies it was sent.
    pub(crate) asked: Arc<Mutex<Vec<Value>>>,
    /// The keys it was shown.
    pub(crate) keys: Arc<Mutex<Vec<String>>>,
    thinks: Arc<Mutex<std::time::Duration>>,
}

impl Provider {
    /// Answers in two pieces, then reports usage.
    pub(crate) fn that_answers(text: &str) -> Self {
        let half = text.len() / 2;
        let piece = |content: &str| {
            json!({"id": "resp-1", "object": "chat.completion.chunk", "model": "gpt-4o-mini-2024-07-18",
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": content}}]})
        };
        let end = json!({"id": "resp-1", "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let usage = json!({"id": "resp-1", "model": "gpt-4o-mini-2024-07-18", "choices": [],
            "usage": {"prompt_tokens": 12, "completion_tokens": 184, "total_tokens": 196}});
        let mut body = String::new();
        for event in [piece(&text[..half]), piece(&text[half..]), end, usage] {
            body.extend(["data: ", &event.to_string(), "\n\n"]);
        }
        body.push_str("data: [DONE]\n\n");
        Self::start("200 OK", "text/event-stream", body)
    }

    /// From now on it thinks so long before it answers.
    pub(crate) fn thinks_for(&self, time: std::time::Duration) {
        *self.thinks.lock().unwrap() = time;
    }

    /// Refuses.
    pub(crate) fn that_refuses() -> Self {
        let body = json!({"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}});
        Self::start("401 Unauthorized", "application/json", body.to_string())
    }

    fn start(status: &'static str, content_type: &'static str, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let (keys, thinks) = (Arc::default(), Arc::<Mutex<std::time::Duration>>::default());
        let (shown, thinking): (Arc<Mutex<Vec<String>>>, _) =
            (Arc::clone(&keys), Arc::clone(&thinks));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|n| n > 0) && line != "\r\n" {
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if let Some(key) = line.strip_prefix("authorization: Bearer ") {
                        shown.lock().unwrap().push(key.trim().to_owned());
                    }
                    line.clear();
                }
                let mut request = vec![0; length];
                if reader.read_exact(&mut request).is_err() {
                    continue;
                }
                seen.lock().unwrap().push(serde_json::from_slice(&request).unwrap());
                let time = *thinking.lock().unwrap();
                std::thread::sleep(time);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { base_url, asked, keys, thinks }
    }
}
