//! Writing a bundle, from the first file to the signed manifest, in bounded memory.

use std::{
    collections::VecDeque,
    io::{self, Write},
    num::NonZero,
    thread::{self, JoinHandle},
};

use exhibit_ledger::{Hash, NoteSigner};
use serde::Serialize;

use crate::{
    line::{CoverLine, ErasureLine, RecordLine},
    manifest::{Counts, FORMAT, File, LogHead, MANIFEST, Manifest, SIGNATURE, Selection, sha256},
    zip::{PackedFile, ZipWriter},
};

/// Lines are gathered into files of about this size, so that verifiers can share the work.
const SEGMENT_BYTES: usize = 4 << 20;

/// Writes a bundle: files and lines in any order, the cover by rising index.
pub struct BundleWriter<W: Write> {
    zip: ZipWriter<W>,
    packing: VecDeque<JoinHandle<io::Result<Packed>>>,
    /// Most files that are packed at once.
    side_by_side: usize,
    manifest: Manifest,
    log: Segments,
    records: Segments,
    erasures: Segments,
}

/// A file with its line of the manifest.
struct Packed {
    file: PackedFile,
    listed: File,
}

impl Packed {
    fn new(name: &str, content: &[u8]) -> io::Result<Self> {
        let (bytes, sha256) = (content.len() as u64, sha256(content));
        let listed = File { name: name.to_owned(), bytes, sha256 };
        Ok(Self { file: PackedFile::new(name, content)?, listed })
    }
}

/// Files of lines, numbered.
struct Segments {
    folder: &'static str,
    number: usize,
    lines: Vec<u8>,
}

impl<W: Write> BundleWriter<W> {
    /// A bundle that goes to `out`. `created` is RFC 3339.
    pub fn new(out: W, log: LogHead, selection: Selection, created: String) -> Self {
        let segments = |folder| Segments { folder, number: 0, lines: Vec::new() };
        let generator = format!("exhibit {}", env!("CARGO_PKG_VERSION"));
        let counts = Counts::default();
        let format = FORMAT.to_owned();
        let files = Vec::new();
        Self {
            zip: ZipWriter::new(out),
            packing: VecDeque::new(),
            side_by_side: thread::available_parallelism().map_or(1, NonZero::get),
            manifest: Manifest { format, created, generator, log, selection, counts, files },
            log: segments("log"),
            records: segments("records"),
            erasures: segments("erasures"),
        }
    }

    /// What the manifest counts; the caller keeps `traces` and `pending`.
    pub fn counts(&mut self) -> &mut Counts {
        &mut self.manifest.counts
    }

    /// Adds a file. It is packed on a thread of its own while the caller goes on, so that what is wrong
    /// with it may be told later, by [`BundleWriter::finish`] at the latest.
    ///
    /// # Errors
    /// A name or size that bundles cannot have, a failing writer; of this file or one before it.
    pub fn file(&mut self, name: &str, content: impl Into<Vec<u8>>) -> io::Result<()> {
        if self.packing.len() >= self.side_by_side {
            self.add_oldest()?;
        }
        let (name, content) = (name.to_owned(), content.into());
        self.packing.push_back(thread::spawn(move || Packed::new(&name, &content)));
        Ok(())
    }

    /// Waits for the oldest file that is being packed, and writes it.
    fn add_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.packing.pop_front() else { return Ok(()) };
        let packed =
            oldest.join().map_err(|_| io::Error::other("a file could not be packed"))??;
        self.zip.add_packed(&packed.file)?;
        self.manifest.files.push(packed.listed);
        Ok(())
    }

    /// Shows the leaf at `index`.
    ///
    /// # Errors
    /// A leaf that is not UTF-8, a failing writer.
    pub fn leaf(&mut self, index: u64, leaf: &[u8]) -> io::Result<()> {
        let leaf = std::str::from_utf8(leaf).map_err(io::Error::other)?;
        self.manifest.counts.leaves += 1;
        let line = CoverLine { index, leaf: Some(leaf.into()), leaves: None, hash: None };
        self.push(|writer| &mut writer.log, &line)
    }

    /// Passes over the `2^height` leaves from `index` on, whose subtree has this root.
    ///
    /// # Errors
    /// A failing writer.
    pub fn subtree(&mut self, index: u64, height: u32, root: &Hash) -> io::Result<()> {
        let hash = Some(root.to_hex().into());
        let line = CoverLine { index, leaf: None, leaves: Some(1 << height), hash };
        self.push(|writer| &mut writer.log, &line)
    }

    /// Adds a record.
    ///
    /// # Errors
    /// A failing writer.
    pub fn record(&mut self, line: &RecordLine<'_>) -> io::Result<()> {
        self.manifest.counts.records += 1;
        self.push(|writer| &mut writer.records, line)
    }

    /// Adds the certificate of an erasure; its leaf must be shown too.
    ///
    /// # Errors
    /// A failing writer.
    pub fn erasure(&mut self, line: &ErasureLine<'_>) -> io::Result<()> {
        self.push(|writer| &mut writer.erasures, line)
    }

    /// Signs and closes the bundle, and gives the writer back.
    ///
    /// # Errors
    /// A failing writer.
    pub fn finish(mut self, key: &NoteSigner) -> io::Result<W> {
        self.flush(|writer| &mut writer.log)?;
        self.flush(|writer| &mut writer.records)?;
        self.flush(|writer| &mut writer.erasures)?;
        while !self.packing.is_empty() {
            self.add_oldest()?;
        }
        let bytes = self.manifest.to_bytes();
        let signature = self.manifest.sign(&bytes, key);
        self.zip.add(MANIFEST, &bytes)?;
        self.zip.add(SIGNATURE, signature.as_bytes())?;
        self.zip.finish()
    }

    fn push(
        &mut self,
        segments: fn(&mut Self) -> &mut Segments,
        line: &impl Serialize,
    ) -> io::Result<()> {
        let lines = &mut segments(self).lines;
        serde_json::to_writer(&mut *lines, line)?;
        lines.push(b'\n');
        if lines.len() >= SEGMENT_BYTES { self.flush(segments) } else { Ok(()) }
    }

    fn flush(&mut self, segments: fn(&mut Self) -> &mut Segments) -> io::Result<()> {
        let Segments { folder, number, lines } = segments(self);
        if lines.is_empty() {
            return Ok(());
        }
        let name = format!("{folder}/{number:06}.jsonl");
        let content = std::mem::take(lines);
        *number += 1;
        self.file(&name, content)
    }
}
