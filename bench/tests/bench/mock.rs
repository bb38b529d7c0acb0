//! A throw-away server for the clients: a thread per connection, HTTP/1.1 with keep-alive.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// What to answer: the raw bytes after which the connection stays open, or none to cut it off.
pub(crate) type Handler = dyn Fn(&Seen) -> Option<Vec<u8>> + Send + Sync;

/// Starts a server and gives its `host:port`; it lives as long as the test process.
pub(crate) fn serve(handler: impl Fn(&Seen) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let handler: Arc<Handler> = Arc::new(handler);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handler = Arc::clone(&handler);
            std::thread::spawn(move || talk(stream, &*handler));
        }
    });
    address
}

fn talk(stream: TcpStream, handler: &Handler) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        match handler(&seen) {
            Some(answer) => {
                if writer.write_all(&answer).is_err() {
                    return;
                }
            }
            None => return,
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        headers.push_str(&line.to_lowercase());
    }
    let length = headers.split_once("content-length: ")?.1.lines().next()?.trim().parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers, body })
}

/// An answer with `Content-Length`.
pub(crate) fn answer(status: u16, headers: &str, body: &[u8]) -> Option<Vec<u8>> {
    let head =
        format!("HTTP/1.1 {status} Status\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    let mut out = head.into_bytes();
    out.extend_from_slice(body);
    Some(out)
}

/// The same content in chunks of seven bytes.
pub(crate) fn chunked(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7) {
        write!(out, "{:x};note=1\r\n", chunk.len()).unwrap();
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
    Some(out)
}

/// Ids of spans that a server keeps: sending one twice does not make it two.
#[derive(Default, Clone)]
pub(crate) struct Kept(pub(crate) Arc<Mutex<BTreeSet<Vec<u8>>>>);

impl Kept {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
