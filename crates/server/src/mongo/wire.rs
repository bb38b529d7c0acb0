//! MongoDB's wire protocol: message heads, `OP_MSG`, and the `OP_QUERY` that old handshakes use.
//!
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>

use bson::{Document, doc};

/// Bytes of a message's head.
pub(super) const HEAD: usize = 16;
const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;
const CHECKSUM: u32 = 1;
const MORE_TO_COME: u32 = 2;
/// Bits below 16 must be understood.
const REQUIRED: u32 = 0xFFFF;

/// What stands before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the whole message.
    pub(super) length: usize,
    id: i32,
    code: i32,
}

/// A command.
#[derive(Debug)]
pub(super) struct Request {
    /// The command's document, with the documents of its sequences put in their places.
    pub(super) command: Document,
    /// Whether an answer is wanted.
    pub(super) answered: bool,
    id: i32,
    old: bool,
}

/// A message that is none.
#[derive(Debug, thiserror::Error)]
#[error("not a message of MongoDB's wire protocol: {0}")]
pub(super) struct Malformed(&'static str);

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(i32::from_le_bytes(four.try_into().ok()?))
}

impl Head {
    pub(super) fn read(bytes: &[u8; HEAD], length_max: usize) -> Result<Self, Malformed> {
        let field = |at| i32_at(bytes, at).unwrap_or(0);
        let length = usize::try_from(field(0)).unwrap_or(0);
        if !(HEAD..=length_max).contains(&length) {
            return Err(Malformed("its length is out of bounds"));
        }
        Ok(Self { length, id: field(4), code: field(12) })
    }
}

impl Request {
    /// Reads what follows the head.
    pub(super) fn read(head: Head, body: &[u8]) -> Result<Self, Malformed> {
        match head.code {
            OP_MSG => Self::message(head, body),
            OP_QUERY => Self::query(head, body),
            _ => Err(Malformed("an opcode that is not taken")),
        }
    }

    fn message(head: Head, body: &[u8]) -> Result<Self, Malformed> {
        let flags = i32_at(body, 0).ok_or(Malformed("it breaks off"))? as u32;
        if flags & REQUIRED & !(CHECKSUM | MORE_TO_COME) != 0 {
            return Err(Malformed("flags that are not known"));
        }
        let end = if flags & CHECKSUM == 0 { body.len() } else { body.len().saturating_sub(4) };
        let mut rest = body.get(4..end).ok_or(Malformed("it breaks off"))?;
        let mut command: Option<Document> = None;
        let mut sequences: Vec<(String, Vec<bson::Bson>)> = Vec::new();
        while let Some((section, after)) = rest.split_first() {
            match section {
                0 => {
                    let (document, after) = document(after)?;
                    command = Some(document);
                    rest = after;
                }
                1 => {
                    let size = i32_at(after, 0).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                    let inside = after.get(4..size).ok_or(Malformed("a section breaks off"))?;
                    let zero = memchr::memchr(0, inside).ok_or(Malformed("a name does not end"))?;
                    let name = String::from_utf8_lossy(&inside[..zero]).into_owned();
                    let mut inner = &inside[zero + 1..];
                    let mut documents = Vec::new();
                    while !inner.is_empty() {
                        let (one, after) = document(inner)?;
                        documents.push(bson::Bson::Document(one));
                        inner = after;
                    }
                    sequences.push((name, documents));
                    rest = after.get(size..).unwrap_or_default();
                }
                _ => return Err(Malformed("a section of a kind that is not known")),
            }
        }
        let mut command = command.ok_or(Malformed("it holds no command"))?;
        for (name, documents) in sequences {
            command.insert(name, documents);
        }
        let answered = flags & MORE_TO_COME == 0;
        Ok(Self { command, answered, id: head.id, old: false })
    }

    /// Only handshakes come this way: `<database>.$cmd`.
    fn query(head: Head, body: &[u8]) -> Result<Self, Malformed> {
        let names = body.get(4..).ok_or(Malformed("it breaks off"))?;
        let zero = memchr::memchr(0, names).ok_or(Malformed("a name does not end"))?;
        if !names[..zero].ends_with(b".$cmd") {
            return Err(Malformed("a query of the old protocol"));
        }
        let after = names.get(zero + 9..).ok_or(Malformed("it breaks off"))?;
        let (command, _) = document(after)?;
        Ok(Self { command, answered: true, id: head.id, old: true })
    }

    /// Writes the answer to this request.
    pub(super) fn answer(&self, answer: &Document) -> Vec<u8> {
        let bytes = answer.to_vec().unwrap_or_else(|_| {
            doc! { "ok": 0, "errmsg": "the answer could not be written" }
                .to_vec()
                .unwrap_or_default()
        });
        let mut out = Vec::with_capacity(HEAD + 21 + bytes.len());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.id.to_le_bytes());
        if self.old {
            out.extend_from_slice(&OP_REPLY.to_le_bytes());
            // Flags, cursor, start, and one document.
            out.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        } else {
            out.extend_from_slice(&OP_MSG.to_le_bytes());
            out.extend_from_slice(&[0; 5]);
        }
        out.extend_from_slice(&bytes);
        let length = i32::try_from(out.len()).unwrap_or(i32::MAX);
        out[..4].copy_from_slice(&length.to_le_bytes());
        out
    }
}

/// A document at the start of `bytes`, and what follows it.
fn document(bytes: &[u8]) -> Result<(Document, &[u8]), Malformed> {
    let length = i32_at(bytes, 0).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let own = bytes.get(..length).filter(|own| own.len() >= 5);
    let own = own.ok_or(Malformed("a document breaks off"))?;
    if depth(own) > DEPTH_MAX {
        return Err(Malformed("a document nested too deeply"));
    }
    let document = Document::from_reader(own).map_err(|_| Malformed("a document does not read"))?;
    Ok((document, &bytes[length..]))
}

/// Deepest nesting of documents: half of what MongoDB allows, and far below what would exhaust a
/// thread's stack.
const DEPTH_MAX: usize = 50;

/// How deeply embedded documents nest at most, by counting how many of them are open at once. An
/// overestimate where strings look like lengths does not happen: element types are followed.
fn depth(bytes: &[u8]) -> usize {
    // Ends of the open documents.
    let mut open: Vec<usize> = vec![bytes.len()];
    let mut deepest = 1;
    let mut at = 4;
    while let Some(kind) = bytes.get(at).copied() {
        at += 1;
        if kind == 0 {
            open.pop();
            if open.is_empty() {
                return deepest;
            }
            continue;
        }
        let Some(name) = bytes.get(at..).and_then(|rest| memchr::memchr(0, rest)) else {
            return deepest;
        };
        at += name + 1;
        let sized =
            |at: usize| i32_at(bytes, at).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let skip = match kind {
            0x01 | 0x09 | 0x11 | 0x12 => 8,
            0x02 | 0x0D | 0x0E => 4usize.saturating_add(sized(at)),
            0x03 | 0x04 => {
                open.push(at);
                deepest = deepest.max(open.len());
                if deepest > DEPTH_MAX {
                    return deepest;
                }
                4
            }
            0x05 => 5usize.saturating_add(sized(at)),
            0x07 => 12,
            0x08 => 1,
            0x10 => 4,
            0x13 => 16,
            0x0A | 0x06 | 0x7F | 0xFF => 0,
            0x0B => {
                let rest = bytes.get(at..).unwrap_or_default();
                let first = memchr::memchr(0, rest).map_or(rest.len(), |n| n + 1);
                let second = rest.get(first..).unwrap_or_default();
                first + memchr::memchr(0, second).map_or(second.len(), |n| n + 1)
            }
            // Code with scope and pointers nest or are old; nobody sends them here.
            _ => return DEPTH_MAX + 1,
        };
        at = at.saturating_add(skip);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(command: &Document) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 0, 0];
        body.extend(command.to_vec().unwrap());
        body
    }

    fn head() -> Head {
        Head { length: 0, id: 7, code: OP_MSG }
    }

    #[test]
    fn a_command_reads_and_its_answer_names_it() {
        let request = Request::read(head(), &message(&doc! { "ping": 1 })).unwrap();
        assert_eq!(request.command.get_i32("ping").ok(), Some(1));
        let answer = request.answer(&doc! { "ok": 1.0 });
        assert_eq!(i32_at(&answer, 0), Some(answer.len() as i32));
        assert_eq!(i32_at(&answer, 8), Some(7));
    }

    #[test]
    fn documents_of_a_sequence_come_to_their_command() {
        let mut body = message(&doc! { "insert": "traces" });
        let document = doc! { "a": 1 }.to_vec().unwrap();
        let size = 4 + "documents\0".len() + document.len();
        body.push(1);
        body.extend((size as i32).to_le_bytes());
        body.extend(b"documents\0");
        body.extend(document);
        let request = Request::read(head(), &body).unwrap();
        assert_eq!(request.command.get_array("documents").unwrap().len(), 1);
    }

    #[test]
    fn what_breaks_off_or_nests_too_deeply_is_refused() {
        let whole = message(&doc! { "ping": 1, "x": { "y": [1, "z"] } });
        for end in 0..whole.len() {
            assert!(Request::read(head(), &whole[..end]).is_err(), "{end}");
        }
        let deep = (0..200).fold(doc! {}, |inner, _| doc! { "d": inner });
        assert!(Request::read(head(), &message(&deep)).is_err());
        let fine = (0..20).fold(doc! {}, |inner, _| doc! { "d": inner });
        assert!(Request::read(head(), &message(&fine)).is_ok());
    }
}
