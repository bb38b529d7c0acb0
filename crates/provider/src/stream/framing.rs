//! From the bytes of a response to its frames: server-sent events, JSON lines, or one whole JSON
//! body from a server that does not stream although it was asked to.

use crate::error::ProviderError;
use crate::options::Limits;
use crate::sse::{FrameError, LineSplitter, SseEvent, SseParser};

/// Reads frames from pieces of a body. A frame is an [`SseEvent`] whatever the framing; only real
/// events have a name.
pub(crate) enum Framing {
    /// Events, or a whole body: the first byte that is not white space decides.
    Undecided { limits: Limits },
    /// Server-sent events.
    Events(SseParser),
    /// One JSON value per line.
    Lines(LineSplitter),
    /// One JSON body.
    Whole { body: Vec<u8>, limit: usize },
}

impl Framing {
    /// For protocols that stream events.
    pub(crate) fn events(limits: &Limits) -> Self {
        Self::Undecided { limits: limits.clone() }
    }

    /// For protocols that stream JSON lines.
    pub(crate) fn lines(limits: &Limits) -> Self {
        Self::Lines(LineSplitter::new(limits.line_bytes_max))
    }

    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), ProviderError> {
        if let Self::Undecided { limits } = self {
            let Some(first) = piece.iter().find(|byte| !byte.is_ascii_whitespace()) else {
                return Ok(());
            };
            // No field name of an event stream begins like this.
            *self = if matches!(first, b'{' | b'[') {
                Self::Whole { body: Vec::new(), limit: limits.event_bytes_max }
            } else {
                Self::Events(SseParser::new(limits.line_bytes_max, limits.event_bytes_max))
            };
        }
        match self {
            Self::Undecided { .. } => {}
            Self::Events(parser) => parser.push(piece),
            Self::Lines(lines) => lines.push(piece),
            Self::Whole { body, limit } => {
                if body.len() + piece.len() > *limit {
                    return Err(ProviderError::TooLarge {
                        what: "the body in bytes",
                        limit: *limit,
                    });
                }
                body.extend_from_slice(piece);
            }
        }
        Ok(())
    }

    /// The next complete frame; `None` when more bytes are needed.
    pub(crate) fn next_frame(&mut self) -> Result<Option<SseEvent>, ProviderError> {
        match self {
            Self::Undecided { .. } | Self::Whole { .. } => Ok(None),
            Self::Events(parser) => parser.next_event().map_err(frame_error),
            Self::Lines(lines) => {
                while let Some(line) = lines.next_line().map_err(frame_error)? {
                    if !line.trim_ascii().is_empty() {
                        return frame(line.to_vec()).map(Some);
                    }
                }
                Ok(None)
            }
        }
    }

    /// The frame that the end of the body left open, if any.
    pub(crate) fn finish(&mut self) -> Result<Option<SseEvent>, ProviderError> {
        match self {
            Self::Undecided { .. } => Ok(None),
            Self::Events(parser) => parser.finish().map_err(frame_error),
            Self::Lines(lines) => match lines.finish().map_err(frame_error)? {
                Some(line) if !line.trim_ascii().is_empty() => frame(line.to_vec()).map(Some),
                _ => Ok(None),
            },
            Self::Whole { body, .. } => frame(std::mem::take(body)).map(Some),
        }
    }
}

fn frame(bytes: Vec<u8>) -> Result<SseEvent, ProviderError> {
    let data = String::from_utf8(bytes).map_err(|_| frame_error(FrameError::NotUtf8))?;
    Ok(SseEvent { event: String::new(), data })
}

fn frame_error(error: FrameError) -> ProviderError {
    match error {
        FrameError::LineTooLong(limit) => {
            ProviderError::TooLarge { what: "a line of the stream in bytes", limit }
        }
        FrameError::EventTooLong(limit) => {
            ProviderError::TooLarge { what: "an event of the stream in bytes", limit }
        }
        FrameError::NotUtf8 => ProviderError::malformed("the answer is not UTF-8"),
    }
}
