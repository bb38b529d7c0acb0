//! A provider that says exactly what a test tells it to: raw HTTP over a loopback socket, split
//! where the test wants it split, cut where the test wants it cut.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One answer of the server.
#[derive(Clone)]
pub(crate) struct Reply {
    head: String,
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    end: End,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The body ends in order; the connection stays open for the next request.
    Complete,
    /// The connection breaks without the body's end.
    Cut,
    /// Nothing more comes, until the client goes away.
    Hang,
    /// The connection breaks before a single byte of an answer.
    Refuse,
}

impl Reply {
    /// A streamed answer in one piece.
    pub(crate) fn stream(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-request-id: req-1\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let pieces = vec![body.as_ref().to_vec()];
        Self { head, pieces, pause: Duration::ZERO, end: End::Complete }
    }

    /// A refusal; `headers` are whole lines.
    pub(crate) fn refusal(status: u16, headers: &[&str], body: &str) -> Self {
        let lines: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
        let head = format!("HTTP/1.1 {status} X\r\n{lines}transfer-encoding: chunked\r\n\r\n");
        let pieces = vec![body.as_bytes().to_vec()];
        Self { head, pieces, pause: Duration::ZERO, end: End::Complete }
    }

    /// No answer at all: the connection breaks.
    pub(crate) fn broken_connection() -> Self {
        let (head, pieces) = (String::new(), Vec::new());
        Self { head, pieces, pause: Duration::ZERO, end: End::Refuse }
    }

    /// No answer at all: silence.
    pub(crate) fn silence() -> Self {
        let (head, pieces) = (String::new(), Vec::new());
        Self { head, pieces, pause: Duration::ZERO, end: End::Hang }
    }

    /// The same body in pieces of this many bytes, each flushed on its own.
    pub(crate) fn split_every(mut self, bytes: usize) -> Self {
        let whole = self.pieces.concat();
        self.pieces = whole.chunks(bytes).map(<[u8]>::to_vec).collect();
        self
    }

    /// Waits this long before each piece after the first.
    pub(crate) fn pausing(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Breaks the connection after the body's bytes.
    pub(crate) fn then_cut(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// Falls silent after the body's bytes.
    pub(crate) fn then_hang(mut self) -> Self {
        self.end = End::Hang;
        self
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: Value,
    pub(crate) connection: usize,
}

impl Seen {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

pub(crate) struct ScriptedServer {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    client_left: Arc<Notify>,
}

impl ScriptedServer {
    /// Starts a server that gives these replies in order, whatever is asked.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let client_left = Arc::new(Notify::new());
        let (requests, left) = (seen.clone(), client_left.clone());
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((socket, _)) = listener.accept().await else { return };
                socket.set_nodelay(true).unwrap();
                let (script, requests, left) = (script.clone(), requests.clone(), left.clone());
                tokio::spawn(async move {
                    let _ = converse(socket, connection, &script, &requests, &left).await;
                });
            }
        });
        Self { url, seen, client_left }
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until a client has gone away from a hanging answer.
    pub(crate) async fn client_left(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.client_left.notified()).await.unwrap();
    }
}

async fn converse(
    mut socket: TcpStream,
    connection: usize,
    script: &Mutex<VecDeque<Reply>>,
    requests: &Mutex<Vec<Seen>>,
    left: &Notify,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some(seen) = read_request(&mut socket, &mut buffer, connection).await? else {
            return Ok(());
        };
        requests.lock().unwrap().push(seen);
        let reply = script.lock().unwrap().pop_front();
        let reply = reply.unwrap_or_else(|| Reply::refusal(418, &[], "the script has ended"));
        socket.write_all(reply.head.as_bytes()).await?;
        for (at, piece) in reply.pieces.iter().enumerate() {
            if at > 0 && !reply.pause.is_zero() {
                tokio::time::sleep(reply.pause).await;
            }
            if at > 0 {
                tokio::task::yield_now().await;
            }
            socket.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            socket.write_all(piece).await?;
            socket.write_all(b"\r\n").await?;
        }
        match reply.end {
            End::Complete => socket.write_all(b"0\r\n\r\n").await?,
            End::Cut | End::Refuse => return Ok(()),
            End::Hang => {
                while socket.read(&mut [0; 64]).await.unwrap_or(0) > 0 {}
                left.notify_one();
                return Ok(());
            }
        }
    }
}

async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> std::io::Result<Option<Seen>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let mut seen = Seen { target, head, body: Value::Null, connection };
            let length: usize = seen.header("content-length").unwrap_or("0").parse().unwrap();
            if buffer.len() >= end + 4 + length {
                let body: Vec<u8> = buffer.drain(..end + 4 + length).skip(end + 4).collect();
                seen.body = serde_json::from_slice(&body).unwrap();
                return Ok(Some(seen));
            }
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await? {
            0 => return Ok(None),
            read => buffer.extend_from_slice(&piece[..read]),
        }
    }
}
