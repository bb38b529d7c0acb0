//! The records of a file, one after the other: JSON lines, a JSON document or list, or Parquet.
//!
//! Lines and lists are read as they come; a document that is one object is read as a whole.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use serde_json::Value;

use super::table::Table;

/// Longest record, bytes; also the largest document that is one object.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// One record.
pub(super) enum Record {
    /// It reads.
    Json(Value),
    /// It does not; these are its bytes.
    Broken(Vec<u8>),
}

/// The records of a file.
pub(super) struct Records {
    form: Form,
    total: u64,
    position: u64,
}

enum Form {
    Lines(BufReader<File>),
    List(BufReader<File>),
    One(Option<Record>),
    Table(Box<Table>),
}

impl Records {
    /// Opens a file and looks how it is written.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut magic = [0; 4];
        let read = file.read(&mut magic)?;
        file.seek(SeekFrom::Start(0))?;
        if magic[..read] == *b"PAR1" {
            let table = Table::open(file)?;
            let total = table.rows();
            return Ok(Self { form: Form::Table(Box::new(table)), total, position: 0 });
        }
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut form = None;
        let (mut first, mut line) = (0, Vec::new());
        // Blank lines before the first record say nothing.
        while form.is_none() {
            line.clear();
            if bounded_line(&mut reader, &mut line)? == 0 {
                break;
            }
            first += line.len();
            form = match line.trim_ascii() {
                [] => None,
                [b'[', ..] => Some(b'['),
                text if serde_json::from_slice::<Value>(text).is_ok() => Some(b'\n'),
                _ => Some(b'{'),
            };
        }
        let begin = (first - line.len()) as u64;
        reader.seek(SeekFrom::Start(begin))?;
        let form = match form {
            Some(b'[') => {
                reader.read_until(b'[', &mut Vec::new())?;
                Form::List(reader)
            }
            Some(b'{') if length <= RECORD_BYTES_MAX as u64 => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes)?;
                match serde_json::from_slice(&bytes) {
                    Ok(value) => Form::One(Some(Record::Json(value))),
                    // No document either: lines, of which the first is broken.
                    Err(_) => {
                        reader.seek(SeekFrom::Start(begin))?;
                        Form::Lines(reader)
                    }
                }
            }
            _ => Form::Lines(reader),
        };
        Ok(Self { form, total: length, position: 0 })
    }

    /// The end of the way: bytes, or rows of a table.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How far it has come, in the same measure.
    pub(super) fn position(&self) -> u64 {
        self.position
    }
}

impl Iterator for Records {
    type Item = anyhow::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.form {
            Form::One(record) => {
                self.position = self.total;
                record.take().map(Ok)
            }
            Form::Table(table) => {
                self.position += 1;
                table.next().map(|row| row.map(Record::Json))
            }
            Form::Lines(reader) => loop {
                let mut line = Vec::new();
                match bounded_line(reader, &mut line) {
                    Ok(0) => return None,
                    Ok(read) => self.position += read as u64,
                    Err(error) => return Some(Err(error.into())),
                }
                if !line.trim_ascii().is_empty() {
                    return Some(Ok(read(line)));
                }
            },
            Form::List(reader) => {
                let mut bytes = Vec::new();
                match element(reader, &mut bytes) {
                    Ok((_, false)) if bytes.is_empty() => None,
                    Ok((passed, _)) => {
                        self.position += passed as u64;
                        Some(Ok(read(bytes)))
                    }
                    Err(error) => Some(Err(error.into())),
                }
            }
        }
    }
}

fn read(bytes: Vec<u8>) -> Record {
    match serde_json::from_slice(&bytes) {
        Ok(value) => Record::Json(value),
        Err(_) => Record::Broken(bytes),
    }
}

fn too_long() -> io::Error {
    let message = format!("a record is longer than {} MiB", RECORD_BYTES_MAX >> 20);
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn bounded_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<usize> {
    let read = reader.by_ref().take(RECORD_BYTES_MAX as u64 + 1).read_until(b'\n', line)?;
    if read > RECORD_BYTES_MAX { Err(too_long()) } else { Ok(read) }
}

/// The next element of a list: everything up to a comma or the end of the list that is inside no
/// string and no bracket. Also how many bytes were passed, and whether more may follow.
fn element(reader: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<(usize, bool)> {
    let (mut depth, mut quoted, mut escaped, mut passed) = (0_u32, false, false, 0);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok((passed, false));
        }
        let mut used = 0;
        let mut end = None;
        for byte in chunk {
            used += 1;
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b',' if depth == 0 => {
                    end = Some(true);
                    break;
                }
                b']' if depth == 0 => {
                    end = Some(false);
                    break;
                }
                b' ' | b'\t' | b'\r' | b'\n' if out.is_empty() => continue,
                _ => {}
            }
            out.push(*byte);
        }
        reader.consume(used);
        passed += used;
        if let Some(more) = end {
            return Ok((passed, more));
        }
        if out.len() > RECORD_BYTES_MAX {
            return Err(too_long());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Option<Value>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, text).unwrap();
        let records = Records::open(&path).unwrap();
        records
            .map(|record| match record.unwrap() {
                Record::Json(value) => Some(value),
                Record::Broken(_) => None,
            })
            .collect()
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn lines_lists_and_documents_give_their_records() {
        let two = [Some(json(r#"{"a":1}"#)), Some(json(r#"{"b":"x, ] \" }"}"#))];
        assert_eq!(of("{\"a\":1}\n\n{\"b\":\"x, ] \\\" }\"}\n"), two);
        assert_eq!(of("\n[ {\"a\":1} ,\n {\"b\":\"x, ] \\\" }\"} ]\n"), two);
        assert_eq!(of("{\n \"a\":\n 1}"), two[..1]);
        assert_eq!(of("[]"), []);
        assert_eq!(of(""), []);
    }

    #[test]
    fn a_broken_record_is_told_and_the_others_go_on() {
        let one = || Some(json(r#"{"a":1}"#));
        assert_eq!(of("{\"a\":1}\n{\"b\":\n{\"a\":1}"), [one(), None, one()]);
        assert_eq!(of("[{\"a\":1},nonsense,{\"a\":1}]"), [one(), None, one()]);
        assert_eq!(of("[{\"a\":1},{\"b\":"), [one(), None]);
    }
}
