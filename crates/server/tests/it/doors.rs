//! Connections: taken addresses, slow and half-open clients, both versions of HTTP, the end.

use std::time::{Duration, Instant};

use exhibit_server::{Config, Listener, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::bench::Bench;

/// Sends bytes and reads until the server closes.
async fn until_closed(bench: &Bench, bytes: &[u8]) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(bench.main).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut seen = Vec::new();
    let read = stream.read_to_end(&mut seen);
    let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("the server lets go");
    (String::from_utf8_lossy(&seen).into_owned(), began.elapsed())
}

#[tokio::test]
async fn clients_that_send_nothing_or_half_are_cut() {
    let bench = Bench::with(|_, limits| {
        limits.header_timeout_s = 1;
        limits.body_timeout_s = 1;
    })
    .await;
    for half in [&b""[..], b"PRI * HT", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let (_, took) = until_closed(&bench, half).await;
        assert!(took < Duration::from_secs(4), "{half:?} took {took:?}");
    }
    let key = bench.key("ingest").await;
    let half = format!(
        "POST /api/v1/ingest/spans HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"batch\":"
    );
    let (answer, _) = until_closed(&bench, half.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body-timeout"), "{answer}");
    // Others were served all the while.
    bench.get("/health").send().await.expect(200);
}

#[tokio::test]
async fn nonsense_on_the_wire_is_refused_and_the_server_stays_up() {
    let bench = Bench::start().await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\nnonsense\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame at all, is it",
    ] {
        until_closed(&bench, nonsense).await;
    }
    let mut long = b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ".to_vec();
    long.resize(200_000, b'a');
    let (answer, _) = until_closed(&bench, &long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    bench.get("/health").send().await.expect(200);
}

#[tokio::test]
async fn a_taken_main_address_is_an_error_and_an_optional_one_is_skipped() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let bench = Bench::start().await;
    let config = Config {
        main: vec![Listener::required("127.0.0.1:0"), Listener::optional(&address)],
        otlp_http: Vec::new(),
        otlp_grpc: Vec::new(),
        ..Config::default()
    };
    let server = Server::bind(config.clone(), bench.recorder.clone()).await.unwrap();
    assert_eq!(server.addresses().main.len(), 1);
    assert_eq!(server.addresses().skipped[0].address, address);
    let required = Config { main: vec![Listener::required(&address)], ..config };
    let error = Server::bind(required, bench.recorder.clone()).await.err().unwrap();
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.to_string().contains("another program"), "{error}");
}

#[tokio::test]
async fn a_stop_lets_open_requests_end_and_takes_no_new_ones() {
    let bench = Bench::start().await;
    let key = bench.key("ingest").await;
    let mut stream = TcpStream::connect(bench.main).await.unwrap();
    let head = format!(
        "POST /api/v1/ingest/spans HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: 12\r\n\r\n{{\"bat"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!bench.serving.is_finished());
    assert!(TcpStream::connect(bench.main).await.is_err());
    stream.write_all(b"ch\":[]}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    tokio::time::timeout(Duration::from_secs(5), bench.serving).await.unwrap().unwrap();
}
