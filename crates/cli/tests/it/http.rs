//! The smallest HTTP client that will do: one request per connection.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// GET with a key.
pub(crate) fn get(address: &str, path: &str, key: &str) -> io::Result<(u16, Value)> {
    ask(address, &format!("GET {path} HTTP/1.1\r\n{}", head(address, key)), b"")
}

/// POST of JSON with a key.
pub(crate) fn post(address: &str, path: &str, key: &str, body: &Value) -> io::Result<(u16, Value)> {
    let body = body.to_string().into_bytes();
    let head = format!(
        "POST {path} HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: {}\r\n",
        head(address, key),
        body.len()
    );
    ask(address, &head, &body)
}

/// PUT or DELETE with a key.
pub(crate) fn send(
    address: &str,
    method: &str,
    path: &str,
    key: &str,
    body: &Value,
) -> io::Result<(u16, Value)> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: {}\r\n",
        head(address, key),
        body.len()
    );
    ask(address, &head, &body)
}

fn head(address: &str, key: &str) -> String {
    let key =
        if key.is_empty() { String::new() } else { format!("authorization: Bearer {key}\r\n") };
    format!("host: {address}\r\nconnection: close\r\n{key}")
}

fn ask(address: &str, head: &str, body: &[u8]) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "no whole answer");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    // An answer that broke off is no answer.
    if length.is_some_and(|length| body.len() < length) {
        return Err(broken());
    }
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
