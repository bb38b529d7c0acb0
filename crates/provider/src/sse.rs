//! The server-sent events format, read piece by piece with bounded memory.
//!
//! Source: the "Server-sent events" chapter of the HTML standard (parsing an event stream).
//! Lines end with LF, CR or CRLF and may be split anywhere between two pieces. Differences, both
//! on purpose: text that is not UTF-8 is an error instead of being replaced, and an event that
//! lacks its closing blank line at the very end is still given out, because providers forget it.
//! `id` and `retry` are skipped: a model's answer cannot be resumed.

use bytes::{Buf, Bytes, BytesMut};

/// One event: what stood in its `event` field and its `data` lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The event's name; empty when it had none.
    pub event: String,
    /// The data lines, joined by line feeds.
    pub data: String,
}

/// Why a stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A line is longer than the limit.
    #[error("a line of the stream is longer than {0} bytes")]
    LineTooLong(usize),
    /// An event's data is longer than the limit.
    #[error("an event of the stream is longer than {0} bytes")]
    EventTooLong(usize),
    /// An event is not UTF-8.
    #[error("an event of the stream is not UTF-8")]
    NotUtf8,
}

/// Reads events from pieces of a byte stream: [`push`](Self::push) a piece, take
/// [`next_event`](Self::next_event) until it is `None`, and [`finish`](Self::finish) at the end.
///
/// After an error the parser must not be used further. Memory stays below the line limit plus the
/// event limit plus one piece.
#[derive(Debug)]
pub struct SseParser {
    lines: LineSplitter,
    first_line: bool,
    event: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    event_bytes_max: usize,
}

impl SseParser {
    /// A parser that refuses longer lines and events than these.
    pub fn new(line_bytes_max: usize, event_bytes_max: usize) -> Self {
        Self {
            lines: LineSplitter::new(line_bytes_max),
            first_line: true,
            event: Vec::new(),
            data: Vec::new(),
            has_data: false,
            event_bytes_max,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.lines.push(piece);
    }

    /// The next complete event; `None` when more bytes are needed.
    ///
    /// # Errors
    /// A line or an event over its limit, or an event that is not UTF-8.
    pub fn next_event(&mut self) -> Result<Option<SseEvent>, FrameError> {
        while let Some(line) = self.lines.next_line()? {
            if let Some(event) = self.take_line(&line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The event that the end of the stream left open, if it has data. To be called once, after
    /// [`next_event`](Self::next_event) has given `None`.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub fn finish(&mut self) -> Result<Option<SseEvent>, FrameError> {
        if let Some(line) = self.lines.finish()?
            && let Some(event) = self.take_line(&line)?
        {
            return Ok(Some(event));
        }
        self.dispatch()
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<SseEvent>, FrameError> {
        let line = if std::mem::take(&mut self.first_line) {
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, rest) = line.split_at(colon);
        let value = rest.strip_prefix(b":").unwrap_or(rest);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                if self.data.len() + value.len() > self.event_bytes_max {
                    return Err(FrameError::EventTooLong(self.event_bytes_max));
                }
                self.data.extend_from_slice(value);
            }
            b"event" => value.clone_into(&mut self.event),
            // A comment (empty field), `id`, `retry`, or a field that does not exist.
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Result<Option<SseEvent>, FrameError> {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return Ok(None);
        }
        let text = |bytes| String::from_utf8(bytes).map_err(|_| FrameError::NotUtf8);
        Ok(Some(SseEvent { event: text(event)?, data: text(data)? }))
    }
}

/// Splits a byte stream into lines that end with LF, CR or CRLF.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    buffer: BytesMut,
    /// Bytes at the front that are known to hold no line end.
    scanned: usize,
    /// The last line ended with CR; an LF right after it belongs to it.
    after_cr: bool,
    line_bytes_max: usize,
}

impl LineSplitter {
    pub(crate) fn new(line_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, after_cr: false, line_bytes_max }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next complete line without its end.
    pub(crate) fn next_line(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.after_cr && !self.buffer.is_empty() {
            self.after_cr = false;
            if self.buffer.first() == Some(&b'\n') {
                self.buffer.advance(1);
            }
        }
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        let found = unseen.iter().position(is_end).map(|at| self.scanned + at);
        if found.unwrap_or(self.buffer.len()) > self.line_bytes_max {
            return Err(FrameError::LineTooLong(self.line_bytes_max));
        }
        let Some(end) = found else {
            self.scanned = self.buffer.len();
            return Ok(None);
        };
        let line = self.buffer.split_to(end).freeze();
        self.after_cr = self.buffer.first() == Some(&b'\r');
        self.buffer.advance(1);
        self.scanned = 0;
        Ok(Some(line))
    }

    /// The line that the end of the stream left open, if any.
    pub(crate) fn finish(&mut self) -> Result<Option<Bytes>, FrameError> {
        let line = self.next_line()?;
        if line.is_some() {
            return Ok(line);
        }
        self.scanned = 0;
        let rest = self.buffer.split().freeze();
        Ok((!rest.is_empty()).then_some(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pieces: &[&[u8]]) -> Result<Vec<SseEvent>, FrameError> {
        let mut parser = SseParser::new(1 << 10, 1 << 12);
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(event) = parser.next_event()? {
                events.push(event);
            }
        }
        events.extend(parser.finish()?);
        Ok(events)
    }

    fn event(name: &str, data: &str) -> SseEvent {
        SseEvent { event: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn comments_names_and_many_data_lines_are_read_as_the_standard_says() {
        let text =
            "\u{feff}: keepalive\n\nevent: one\ndata:a\ndata: b\ndata:  c\nid: 7\n\ndata\n\n";
        let expected = vec![event("one", "a\nb\n c"), event("", "")];
        assert_eq!(parse(&[text.as_bytes()]).unwrap(), expected);
    }

    #[test]
    fn a_last_event_without_its_blank_line_is_still_given_out() {
        assert_eq!(parse(&[b"data: [DONE]"]).unwrap(), [event("", "[DONE]")]);
        assert_eq!(parse(&[b"data: x\r"]).unwrap(), [event("", "x")]);
        assert_eq!(parse(&[b"event: x\n"]).unwrap(), []);
    }

    #[test]
    fn too_long_lines_and_events_are_refused_while_they_grow() {
        let mut parser = SseParser::new(16, 1 << 10);
        parser.push(b"data: 0123456789abcdef");
        assert_eq!(parser.next_event(), Err(FrameError::LineTooLong(16)));
        let mut parser = SseParser::new(16, 20);
        parser.push(&b"data: 12345678\n".repeat(3));
        assert_eq!(parser.next_event(), Err(FrameError::EventTooLong(20)));
    }

    #[test]
    fn an_event_that_is_not_utf8_is_refused() {
        assert_eq!(parse(&[b"data: \xff\n\n"]), Err(FrameError::NotUtf8));
    }

    proptest! {
        #[test]
        fn where_the_stream_is_split_makes_no_difference(
            lines in prop::collection::vec("(data: ?|event: |: |)[a-zé{}]{0,6}", 0..12),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r"]), 12),
            cuts in prop::collection::vec(0_usize..200, 0..8),
        ) {
            let text: String =
                lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(parse(&pieces), parse(&[bytes]));
        }

        #[test]
        fn the_kind_of_line_end_makes_no_difference(
            lines in prop::collection::vec("(data: ?|event: |: |)[a-z]{0,4}", 0..12),
        ) {
            let joined = |end: &str| lines.iter().flat_map(|line| [line, end]).collect::<String>();
            let lf = parse(&[joined("\n").as_bytes()]);
            prop_assert_eq!(&parse(&[joined("\r\n").as_bytes()]), &lf);
            prop_assert_eq!(&parse(&[joined("\r").as_bytes()]), &lf);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&[&bytes]);
        }
    }
}
