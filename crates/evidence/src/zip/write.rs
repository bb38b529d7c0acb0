//! Writing a bundle file by file, to anything that takes bytes.

use std::io::{self, Write};

use flate2::{Compression, Crc, write::DeflateEncoder};

use super::{
    CENTRAL, DATE, DEFLATED, END, FILE_BYTES_MAX, FILES_MAX, FLAG_UTF8, LOCAL, is_safe_name,
};

/// Fast rather than small: bundles are written while somebody waits.
const LEVEL: Compression = Compression::new(1);

/// A file as it stands in the archive. Packing needs no archive, so that files can be packed side by
/// side and added in their order.
pub struct PackedFile {
    name: String,
    data: Vec<u8>,
    content_len: u32,
    crc: u32,
}

impl PackedFile {
    /// Packs a file.
    ///
    /// # Errors
    /// A name or size that bundles cannot have.
    pub fn new(name: &str, content: &[u8]) -> io::Result<Self> {
        if !is_safe_name(name) || content.len() as u64 > FILE_BYTES_MAX {
            return refuse("a file of this name or size cannot stand in a bundle");
        }
        let mut encoder = DeflateEncoder::new(Vec::with_capacity(content.len() / 3), LEVEL);
        encoder.write_all(content)?;
        let data = encoder.finish()?;
        let mut crc = Crc::new();
        crc.update(content);
        Ok(Self { name: name.to_owned(), data, content_len: content.len() as u32, crc: crc.sum() })
    }
}

/// Writes files one after the other; [`ZipWriter::finish`] adds the directory.
pub struct ZipWriter<W: Write> {
    out: W,
    at: u64,
    files: u16,
    directory: Vec<u8>,
}

impl<W: Write> ZipWriter<W> {
    /// A bundle that goes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, at: 0, files: 0, directory: Vec::new() }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.at
    }

    /// Packs and adds a file.
    ///
    /// # Errors
    /// A name or size that bundles cannot have, a bundle of 4 GiB, too many files, a failing writer.
    pub fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.add_packed(&PackedFile::new(name, content)?)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// A bundle of 4 GiB, too many files, a failing writer.
    pub fn add_packed(&mut self, file: &PackedFile) -> io::Result<()> {
        let PackedFile { name, data, content_len, crc } = file;
        let after = self.at + 30 + (name.len() + data.len()) as u64;
        // The directory must still fit before 4 GiB.
        let end = after + (self.directory.len() + 2 * (46 + name.len()) + 22) as u64;
        if end >= u64::from(u32::MAX) || usize::from(self.files) + 1 >= FILES_MAX {
            return refuse("a bundle is below 4 GiB; export a shorter window, one after the other");
        }
        let mut shared = Vec::with_capacity(26);
        put16(&mut shared, &[20, FLAG_UTF8, DEFLATED, 0, DATE]);
        put32(&mut shared, &[*crc, data.len() as u32, *content_len]);
        put16(&mut shared, &[name.len() as u16, 0]);

        self.out.write_all(&LOCAL.to_le_bytes())?;
        self.out.write_all(&shared)?;
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(data)?;

        put32(&mut self.directory, &[CENTRAL]);
        put16(&mut self.directory, &[20]);
        self.directory.extend_from_slice(&shared);
        // Comment, disk, internal attributes.
        put16(&mut self.directory, &[0, 0, 0]);
        put32(&mut self.directory, &[0, self.at as u32]);
        self.directory.extend_from_slice(name.as_bytes());
        self.at = after;
        self.files += 1;
        Ok(())
    }

    /// Writes the directory and gives the writer back.
    ///
    /// # Errors
    /// A failing writer.
    pub fn finish(mut self) -> io::Result<W> {
        let mut end = Vec::with_capacity(22);
        put32(&mut end, &[END]);
        put16(&mut end, &[0, 0, self.files, self.files]);
        put32(&mut end, &[self.directory.len() as u32, self.at as u32]);
        put16(&mut end, &[0]);
        self.out.write_all(&self.directory)?;
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn refuse<T>(what: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}
