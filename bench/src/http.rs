//! A minimal HTTP/1.1 client over one keep-alive TCP connection.
//!
//! Written here because the client runs on the cores of the server it measures: it copies a body
//! only into the socket and parses only what it needs. It speaks plain HTTP with `Content-Length`
//! or chunked answers (RFC 9112); no TLS, redirects or pipelining.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bodies up to this size are copied behind the header.
const JOINED_BYTES_MAX: usize = 16 << 10;
const BODY_BYTES_MAX: usize = 256 << 20;
const EXCHANGE_TIMEOUT: Duration = Duration::from_mins(1);

/// Why an exchange failed.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Only `http://host[:port][/path]` is understood.
    #[error("{0} is not a plain http:// address")]
    Url(String),
    /// The connection could not be made or broke.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The answer breaks RFC 9112 or a limit of this client.
    #[error("malformed answer: {0}")]
    Malformed(&'static str),
    /// No answer in time.
    #[error("no answer within {} s", EXCHANGE_TIMEOUT.as_secs())]
    Timeout,
}

/// A server and a path on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port`.
    pub authority: String,
    /// Path with query, starting with a slash.
    pub path: String,
}

impl Target {
    /// Parses `http://host[:port][/path]`; the port defaults to 80.
    pub fn parse(url: &str) -> Result<Self, HttpError> {
        let bad = || HttpError::Url(url.to_owned());
        let rest = url.strip_prefix("http://").ok_or_else(bad)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() || rest.contains(char::is_whitespace) {
            return Err(bad());
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(Self {
            authority: if has_port { host.to_owned() } else { format!("{host}:80") },
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        })
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a str,
    /// Path with query.
    pub path: &'a str,
    /// Further header lines, each ended by CR LF.
    pub headers: &'a str,
    /// Body, possibly empty.
    pub body: &'a [u8],
}

/// What was answered.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// `Retry-After` in seconds, if it was given so.
    pub retry_after: Option<Duration>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A keep-alive connection that is opened when first needed and again after it broke.
#[derive(Debug)]
pub struct Connection {
    authority: String,
    stream: Option<TcpStream>,
    head: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    /// A connection to `host:port`; nothing happens yet.
    pub fn new(authority: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            stream: None,
            head: Vec::with_capacity(512),
            received: Vec::with_capacity(16 << 10),
        }
    }

    /// Sends one request and reads the answer. After an error the next call opens a new connection.
    pub async fn send(&mut self, request: Request<'_>) -> Result<Response, HttpError> {
        let outcome = timeout(EXCHANGE_TIMEOUT, self.exchange(request)).await;
        let outcome = outcome.unwrap_or(Err(HttpError::Timeout));
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    async fn exchange(&mut self, request: Request<'_>) -> Result<Response, HttpError> {
        let mut stream = if let Some(stream) = self.stream.take() {
            stream
        } else {
            let stream = TcpStream::connect(&self.authority).await?;
            stream.set_nodelay(true)?;
            stream
        };
        self.head.clear();
        let Request { method, path, headers, body } = request;
        let length = body.len();
        io::Write::write_fmt(
            &mut self.head,
            format_args!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{headers}\r\n",
                self.authority
            ),
        )?;
        // A small body leaves together with the header: one system call, one packet.
        let body = if body.len() <= JOINED_BYTES_MAX {
            self.head.extend_from_slice(body);
            &[]
        } else {
            body
        };
        // A server that refuses early closes its side: its answer is still worth reading.
        let written = match stream.write_all(&self.head).await {
            Ok(()) => stream.write_all(body).await,
            error => error,
        };
        self.received.clear();
        let answer = read_response(&mut stream, &mut self.received).await;
        match (answer, written) {
            (Ok((response, keep)), written) => {
                if keep && written.is_ok() {
                    self.stream = Some(stream);
                }
                Ok(response)
            }
            (Err(_), Err(error)) => Err(error.into()),
            (Err(error), Ok(())) => Err(error),
        }
    }
}

struct Head {
    status: u16,
    length: Option<usize>,
    chunked: bool,
    keep: bool,
    retry_after: Option<Duration>,
}

async fn read_response(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Result<(Response, bool), HttpError> {
    let (head, body_at) = loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if buffer.len() > HEAD_BYTES_MAX {
                return Err(HttpError::Malformed("endless header"));
            }
            fill(stream, buffer).await?;
        };
        let head = parse_head(&buffer[..end])?;
        if head.status >= 200 {
            break (head, end + 4);
        }
        // An interim answer (RFC 9110 section 15.2) precedes the real one.
        buffer.drain(..end + 4);
    };
    buffer.drain(..body_at);
    let (body, keep) = if matches!(head.status, 204 | 304) {
        (Vec::new(), head.keep)
    } else if head.chunked {
        (read_chunks(stream, buffer).await?, head.keep)
    } else if let Some(length) = head.length {
        if length > BODY_BYTES_MAX {
            return Err(HttpError::Malformed("body too large"));
        }
        while buffer.len() < length {
            fill(stream, buffer).await?;
        }
        (buffer[..length].to_vec(), head.keep)
    } else {
        while buffer.len() <= BODY_BYTES_MAX && stream.read_buf(buffer).await? > 0 {}
        (std::mem::take(buffer), false)
    };
    let response = Response { status: head.status, retry_after: head.retry_after, body };
    Ok((response, keep))
}

fn parse_head(bytes: &[u8]) -> Result<Head, HttpError> {
    let text = std::str::from_utf8(bytes).map_err(|_| HttpError::Malformed("header not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let version = words.next().unwrap_or_default();
    if !version.starts_with("HTTP/1.") {
        return Err(HttpError::Malformed("no HTTP/1 status line"));
    }
    let status = words.next().and_then(|word| word.parse().ok());
    let status = status.ok_or(HttpError::Malformed("no status code"))?;
    let keep = version != "HTTP/1.0";
    let mut head = Head { status, length: None, chunked: false, keep, retry_after: None };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(HttpError::Malformed("no colon"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.parse().map_err(|_| HttpError::Malformed("content-length"))?;
            head.length = Some(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.to_ascii_lowercase().contains("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            head.keep &= !value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            let seconds = value.parse::<f64>().ok().filter(|s| (0.0..=3_600.0).contains(s));
            head.retry_after = seconds.map(Duration::from_secs_f64);
        }
    }
    Ok(head)
}

/// Reads a chunked body (RFC 9112 section 7.1); chunk extensions and trailers are ignored.
async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream, buffer).await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| HttpError::Malformed("chunk size is no number"))?;
        if size == 0 {
            while !read_line(stream, buffer).await?.is_empty() {}
            return Ok(body);
        }
        if size > BODY_BYTES_MAX || body.len() + size > BODY_BYTES_MAX {
            return Err(HttpError::Malformed("body too large"));
        }
        while buffer.len() < size + 2 {
            fill(stream, buffer).await?;
        }
        body.extend_from_slice(&buffer[..size]);
        buffer.drain(..size + 2);
    }
}

async fn read_line(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<String, HttpError> {
    loop {
        if let Some(end) = buffer.windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 2);
            return Ok(line);
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(HttpError::Malformed("endless line"));
        }
        fill(stream, buffer).await?;
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), HttpError> {
    if stream.read_buf(buffer).await? == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(())
}

/// Percent-encodes a query value (RFC 3986: everything but unreserved characters).
pub fn query_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Target, query_value};

    #[test]
    fn an_address_is_split_into_authority_and_path() {
        let parse = |url| Target::parse(url).map(|t| (t.authority, t.path)).ok();
        let both = |a: &str, p: &str| Some((a.to_owned(), p.to_owned()));
        assert_eq!(parse("http://127.0.0.1:4318/v1/traces"), both("127.0.0.1:4318", "/v1/traces"));
        assert_eq!(parse("http://localhost"), both("localhost:80", "/"));
        assert_eq!(parse("https://localhost"), None);
        assert_eq!(parse("http:///x"), None);
    }

    #[test]
    fn a_query_value_keeps_only_unreserved_characters() {
        assert_eq!(query_value("model = \"a-b\"é"), "model%20%3D%20%22a-b%22%C3%A9");
    }
}
