//! A running server, and a client that can send anything.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use bytes::Bytes;
use exhibit_model::{Limits, Scopes};
use exhibit_recorder::{
    Caller, KeyPrefix, Keys, NewKey, OsEntropy, Parts, Recorder, RuleSource, SystemClock, Who,
};
use exhibit_server::{Config, Listener, Server};
use exhibit_store::memory::MemoryStore;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, sync::watch, task::JoinHandle};

pub(crate) struct Bench {
    pub(crate) main: SocketAddr,
    pub(crate) otlp: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) serving: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config, &mut Limits)) -> Self {
        Self::made(RuleSource::default(), change).await
    }

    pub(crate) async fn with_rules(rules: RuleSource) -> Self {
        Self::made(rules, |_, _| {}).await
    }

    pub(crate) async fn made(
        rules: RuleSource,
        change: impl FnOnce(&mut Config, &mut Limits),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut limits = Limits::default();
        let mut config = Config {
            main: vec![Listener::required("127.0.0.1:0")],
            otlp_http: vec![Listener::required("127.0.0.1:0")],
            otlp_grpc: vec![Listener::required("127.0.0.1:0")],
            ..Config::default()
        };
        change(&mut config, &mut limits);
        let keys = Arc::new(Keys::open(dir.path(), &OsEntropy).unwrap());
        let recorder = Recorder::open(Parts {
            store: MemoryStore::new(limits.clone()).into(),
            limits,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            keys: Arc::clone(&keys),
            rules,
            search: true,
        })
        .await
        .unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Arc::clone(&recorder).run(stopped.clone()));
        let server = Server::bind(config, Arc::clone(&recorder)).await.unwrap();
        let at = server.addresses().clone();
        Self {
            main: at.main[0],
            otlp: at.otlp_http[0],
            grpc: at.otlp_grpc[0],
            recorder,
            keys,
            stop,
            serving: tokio::spawn(server.serve(stopped)),
            _dir: dir,
        }
    }

    /// A key of the default workspace.
    pub(crate) async fn key(&self, scopes: &str) -> String {
        self.key_until(scopes, None).await.0
    }

    pub(crate) async fn key_until(
        &self,
        scopes: &str,
        expires: Option<exhibit_model::Nanos>,
    ) -> (String, String) {
        let workspace = self.recorder.default_workspace().await.unwrap();
        let by = Caller {
            workspace: workspace.id,
            workspace_public: workspace.public_id.clone(),
            scopes: Scopes::all(),
            who: Who::Local,
        };
        let new = NewKey {
            workspace: workspace.id,
            name: "test".into(),
            scopes: Scopes::parse(scopes).unwrap(),
            expires,
            prefix: KeyPrefix::Exk,
        };
        let (secret, key) = self.recorder.create_key(&by, new).await.unwrap();
        (secret, key.id.0)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        Call::new(self.main, Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        Call::new(self.main, Method::POST, path)
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call::new(self.main, method, path)
    }

    /// Waits until a checkpoint covers everything.
    pub(crate) async fn settled(&self) {
        self.recorder.publish_checkpoints().await.unwrap();
    }
}

pub(crate) struct Call {
    to: SocketAddr,
    request: axum::http::request::Builder,
    body: Body,
}

impl Call {
    pub(crate) fn new(to: SocketAddr, method: Method, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path).header("host", to.to_string());
        Self { to, request, body: Body::empty() }
    }

    pub(crate) fn to(mut self, address: SocketAddr) -> Self {
        self.to = address;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.request = self.request.header(name, value.as_ref());
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", format!("Bearer {key}"))
    }

    pub(crate) fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    pub(crate) async fn send(self) -> Answer {
        let stream = TcpStream::connect(self.to).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(self.request.body(self.body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(Body::new(body), 64 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Asserts the status and gives the JSON.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Asserts the status of an answer that is no JSON.
    #[track_caller]
    pub(crate) fn expect_text(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.text()
    }

    /// Asserts a problem document of that status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{body}");
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["type"], format!("urn:exhibit:problem:{code}"));
        assert!(body["detail"].as_str().is_some_and(|d| d.len() > 10), "{body}");
        body
    }
}

/// A span as the quick start sends it.
pub(crate) fn span(trace: &str, id: &str, parent: Option<&str>) -> Value {
    serde_json::json!({
        "span_id": id,
        "trace_id": trace,
        "parent_span_id": parent,
        "name": "my_llm_call",
        "span_type": "llm",
        "start_time": "2026-11-20T10:00:00.000000+00:00",
        "end_time": "2026-11-20T10:00:00.500000+00:00",
        "status": "ok",
        "input": { "prompt": "what is sealed stays sealed" },
        "output": { "response": "so it does" },
        "model": "gpt-4o-mini",
        "tokens_in": 100,
        "tokens_out": 50,
        "cost": 0.0001,
        "tool_calls": null,
        "attributes": {},
    })
}

pub(crate) fn batch(spans: &[Value]) -> Value {
    serde_json::json!({ "batch": spans })
}
