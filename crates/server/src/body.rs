//! Reading request bodies: bounded in bytes, in time, and over all requests at once.
//!
//! [`receive`] reads what was sent; [`Received::inflate`] undoes a content encoding and belongs on a
//! blocking thread. Both draw on one budget of bytes, so that memory stays bounded however many
//! clients send at once; whoever finds the budget empty is asked to come again (503).

use std::{io::Read, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use exhibit_model::Limits;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Inflated sizes up to this are accepted whatever their ratio.
const RATIO_FREE_BYTES: usize = 16 << 20;
/// Beyond that, a body may inflate to at most this many times its size. Batches of equal spans reach
/// about a hundred.
const RATIO_MAX: usize = 250;
/// The budget is drawn on in steps of this many bytes while inflating.
const STEP: usize = 64 << 10;

/// The bytes that all requests together may hold.
#[derive(Clone)]
pub(crate) struct Budget {
    bytes: Arc<Semaphore>,
    total: usize,
}

/// A share of the budget; given back when dropped.
pub(crate) struct Share {
    budget: Budget,
    held: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(total: usize) -> Self {
        let total = total.clamp(1 << 20, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { bytes: Arc::new(Semaphore::new(total)), total }
    }

    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), held: 0, permit: None }
    }
}

impl Share {
    /// Takes more until it covers so many bytes.
    fn reach(&mut self, bytes: usize) -> Result<(), Problem> {
        self.grow(bytes.saturating_sub(self.held))
    }

    /// Takes more. A single request may be larger than the whole budget: then it needs all of it.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let want = bytes.min(self.budget.total.saturating_sub(self.held));
        let count = u32::try_from(want).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.budget.bytes).try_acquire_many_owned(count);
        let more = more.map_err(|_| Problem::busy(1_000))?;
        self.held += want;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            empty => *empty = Some(more),
        }
        Ok(())
    }
}

/// A content encoding that bodies may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

impl Coding {
    /// Reads `Content-Encoding`. One encoding at most: a chain multiplies what a small body inflates to.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(first) = values.next() else { return Ok(Self::Identity) };
        let text = first.to_str().unwrap_or("?").trim().to_ascii_lowercase();
        match text.as_str() {
            _ if values.next().is_some() || text.contains(',') => Err(Self::refusal(
                "Bodies with several content encodings are not taken; use one of gzip, deflate, zstd.",
            )),
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Self::refusal(
                "This content encoding is not taken; use identity, gzip, deflate or zstd.",
            )),
        }
    }

    fn refusal(detail: &str) -> Problem {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-encoding", detail)
            .with("accepted", vec!["identity", "gzip", "deflate", "zstd"])
    }
}

/// A body as it was sent, with its share of the budget.
pub(crate) struct Received {
    bytes: Bytes,
    coding: Coding,
    share: Share,
}

/// Reads a body to its end.
pub(crate) async fn receive(
    budget: &Budget,
    limits: &Limits,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, Problem> {
    let coding = Coding::of(headers)?;
    let max = limits.body_bytes_max;
    let too_large = || {
        Problem::too_large(format!(
            "The body is larger than {max} bytes; send smaller batches or compress them."
        ))
    };
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let stated: usize = stated.unwrap_or(0);
    if stated > max {
        return Err(too_large());
    }
    let mut share = budget.share();
    let mut chunks = body.into_data_stream();
    let read = async {
        // The first chunk is often the whole body and then needs no copy.
        let mut bytes = BytesMut::new();
        let mut whole: Option<Bytes> = None;
        let mut length = 0_usize;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| {
                Problem::bad("truncated", "The body broke off before its end; send it again.")
            })?;
            length = length.saturating_add(chunk.len());
            if length > max {
                return Err(too_large());
            }
            share.grow(chunk.len())?;
            match whole.take() {
                None if bytes.is_empty() => whole = Some(chunk),
                first => {
                    if let Some(first) = first {
                        bytes.reserve(stated.max(first.len() + chunk.len()).min(max));
                        bytes.extend_from_slice(&first);
                    }
                    bytes.extend_from_slice(&chunk);
                }
            }
        }
        Ok(whole.unwrap_or_else(|| bytes.freeze()))
    };
    let seconds = limits.body_timeout_s.max(1);
    let bytes =
        tokio::time::timeout(Duration::from_secs(seconds), read).await.map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-timeout",
                format!("The body did not arrive within {seconds} seconds."),
            )
        })??;
    Ok(Received { bytes, coding, share })
}

impl Received {
    /// A message that another stack has read and inflated.
    pub(crate) fn whole(bytes: Bytes, mut share: Share) -> Result<Self, Problem> {
        share.reach(bytes.len())?;
        Ok(Self { bytes, coding: Coding::Identity, share })
    }

    /// Whether there is no content encoding to undo.
    pub(crate) fn is_plain(&self) -> bool {
        self.coding == Coding::Identity
    }

    /// Undoes the content encoding. Blocks; the share comes along and is to be kept until the
    /// request is answered.
    pub(crate) fn inflate(mut self, limits: &Limits) -> Result<(Bytes, Share), Problem> {
        let sent = &self.bytes[..];
        let damaged = |_| {
            Problem::bad(
                "content-encoding-damaged",
                "The body does not match its Content-Encoding, or breaks off; send it again.",
            )
        };
        let max = limits
            .body_inflated_bytes_max
            .min(sent.len().saturating_mul(RATIO_MAX).max(RATIO_FREE_BYTES));
        let reader: Box<dyn Read + '_> = match self.coding {
            Coding::Identity => return Ok((self.bytes, self.share)),
            Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(sent)),
            // RFC 9110 means zlib; some clients send the bare stream.
            Coding::Deflate if is_zlib(sent) => Box::new(flate2::read::ZlibDecoder::new(sent)),
            Coding::Deflate => Box::new(flate2::read::DeflateDecoder::new(sent)),
            Coding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(sent).map_err(damaged)?;
                // 8 MiB windows: what every decoder must take (RFC 9659).
                decoder.window_log_max(23).map_err(damaged)?;
                Box::new(decoder)
            }
        };
        let mut reader = reader.take(max as u64 + 1);
        let mut out = Vec::with_capacity(sent.len().saturating_mul(4).min(STEP * 16));
        let mut step = vec![0; STEP];
        loop {
            let n = reader.read(&mut step).map_err(damaged)?;
            if n == 0 {
                break;
            }
            if out.len() + n > max {
                return Err(Problem::too_large(format!(
                    "The body inflates to more than {max} bytes; send smaller batches."
                )));
            }
            self.share.grow(n)?;
            out.extend_from_slice(&step[..n]);
        }
        Ok((out.into(), self.share))
    }
}

/// Whether bytes start like a zlib stream (RFC 1950, section 2.2).
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [cmf, flg, ..] if cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn received(bytes: Vec<u8>, coding: Coding) -> Received {
        Received { bytes: bytes.into(), coding, share: Budget::new(64 << 20).share() }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn every_coding_gives_the_text_back() {
        let text = b"a trace of some length, a trace of some length".to_vec();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        bare.write_all(&text).unwrap();
        for (bytes, coding) in [
            (text.clone(), Coding::Identity),
            (gzip(&text), Coding::Gzip),
            (zlib.finish().unwrap(), Coding::Deflate),
            (bare.finish().unwrap(), Coding::Deflate),
            (zstd::encode_all(&text[..], 3).unwrap(), Coding::Zstd),
        ] {
            let (back, _) = received(bytes, coding).inflate(&Limits::default()).unwrap();
            assert_eq!(back, text, "{coding:?}");
        }
    }

    #[test]
    fn a_bomb_is_too_large_and_a_broken_stream_is_named() {
        let bomb = gzip(&vec![0; 40 << 20]);
        let problem = received(bomb, Coding::Gzip).inflate(&Limits::default()).err().unwrap();
        assert_eq!(problem.status, StatusCode::PAYLOAD_TOO_LARGE);
        let cut = gzip(b"some text that is cut off")[..20].to_vec();
        let problem = received(cut, Coding::Gzip).inflate(&Limits::default()).err().unwrap();
        assert_eq!(problem.code, "content-encoding-damaged");
    }

    #[test]
    fn an_exhausted_budget_asks_to_come_again_and_recovers() {
        let budget = Budget::new(1 << 20);
        let mut first = budget.share();
        first.grow(900 << 10).unwrap();
        assert_eq!(budget.share().grow(500 << 10).unwrap_err().code, "busy");
        drop(first);
        budget.share().grow(500 << 10).unwrap();
        // Larger than the whole budget: takes all of it.
        budget.share().grow(5 << 20).unwrap();
    }
}
