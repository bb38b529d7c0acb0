//! The archive in a bucket: against a stand-in that speaks as much S3 as is spoken to it.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::{at_hand, cold, record};

/// A bucket: the four requests that are made of it, over HTTP on a loopback port.
fn bucket() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let objects = Arc::new(Mutex::new(HashMap::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let objects = Arc::clone(&objects);
            std::thread::spawn(move || serve_bucket(stream, &objects));
        }
    });
    port
}

type Objects = Mutex<HashMap<String, Vec<u8>>>;

fn serve_bucket(stream: TcpStream, objects: &Objects) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut length, mut range, mut signed) = (0, None, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(": ")?;
            match name {
                "content-length" => length = value.parse().ok()?,
                "range" => range = Some(value.strip_prefix("bytes=")?.to_owned()),
                "authorization" => signed = value.starts_with("aws4-hmac-sha256"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut objects = objects.lock().unwrap();
        let (status, extra, answer): (_, String, Vec<u8>) = match (signed, method.as_str()) {
            (false, _) => ("403 Forbidden", String::new(), Vec::new()),
            (_, "PUT") => {
                objects.insert(path, body);
                ("200 OK", "ETag: \"1\"\r\n".to_owned(), Vec::new())
            }
            (_, "DELETE") => {
                objects.remove(&path);
                ("204 No Content", String::new(), Vec::new())
            }
            _ => match (objects.get(&path), range) {
                (None, _) => ("404 Not Found", String::new(), Vec::new()),
                (Some(bytes), Some(range)) => {
                    let (from, to) = range.split_once('-')?;
                    let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
                    let extra = format!(
                        "Content-Range: bytes {from}-{to}/{}\r\nETag: \"1\"\r\n\
                         Last-Modified: Sat, 21 Nov 2026 10:00:00 GMT\r\n",
                        bytes.len()
                    );
                    ("206 Partial Content", extra, bytes.get(from..=to)?.to_vec())
                }
                (Some(bytes), None) => ("200 OK", String::new(), bytes.clone()),
            },
        };
        let length = answer.len();
        write!(stream, "HTTP/1.1 {status}\r\n{extra}Content-Length: {length}\r\n\r\n").ok()?;
        stream.write_all(&answer).ok()?;
    }
}

#[test]
fn a_bucket_is_an_archive_too() {
    let endpoint = format!("http://127.0.0.1:{}", bucket());
    let home = cold("s3://evidence/site-1")
        .with("AWS_ENDPOINT_URL", &endpoint)
        .with("AWS_ALLOW_HTTP", "true")
        .with("AWS_REGION", "eu-central-1")
        .with("AWS_ACCESS_KEY_ID", &"A".repeat(20))
        .with("AWS_SECRET_ACCESS_KEY", &"b".repeat(40));
    let served = home.serve(&["--seal-after", "0s"]);
    let key = served.key();
    record(&served, &key, "t1", "ann");
    let done = home.run(&["archive", "run", "--older-than", "0", "--json"]).ended(0).json();
    assert_eq!(done["moved"], 1, "{done}");
    assert!(at_hand(&home) < 100);
    let (code, shown) = served.get("/api/v1/traces/t1/spans/s1", &key);
    assert!(code == 200 && shown.to_string().contains("archivedword of t1"), "{code} {shown}");
    assert_eq!(served.stop(), 0);
    home.run(&["verify"]).ended(0);
}
