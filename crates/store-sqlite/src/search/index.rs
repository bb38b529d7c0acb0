//! The index on disk: its schema, its watermark, and how it is made anew when it cannot be read.

use std::{panic::catch_unwind, path::Path};

use exhibit_store::StoreError;
use tantivy::{
    Index, IndexReader, IndexSettings, ReloadPolicy,
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    store::Compressor,
    tokenizer::{Token, TokenStream, Tokenizer},
};

use crate::failure::{Result, io};

/// Changes whenever words are cut, or they or their dictionary are stored differently, so that an old
/// index is made anew.
const VERSION: u32 = 2;
const TOKENIZER: &str = "lines";

/// The fields of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// The words.
    pub(crate) words: Field,
    /// The number of the trace: indexed, so that its documents can be removed.
    pub(crate) trace: Field,
}

/// Name of the column that holds the trace.
pub(crate) const TRACE: &str = "trace";

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    // A word is in a document or not: neither positions nor frequencies nor norms.
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    let words =
        schema.add_text_field("words", TextOptions::default().set_indexing_options(indexing));
    let trace = schema.add_u64_field(TRACE, INDEXED | FAST);
    (schema.build(), Fields { words, trace })
}

/// An index that was opened or made.
pub(super) struct Opened {
    pub(super) index: Index,
    pub(super) fields: Fields,
    /// The last block that it holds; every earlier one too.
    pub(super) watermark: i64,
}

/// Opens the index; makes it anew when it is missing, damaged, of another version or ahead of the
/// store (which then was restored from an older copy).
pub(super) fn open_or_make(directory: &Path, last_block: i64) -> Result<Opened> {
    match open(directory) {
        Ok(opened) if opened.watermark <= last_block => return Ok(opened),
        Ok(_) => tracing::warn!("the search index is ahead of the store; making it anew"),
        Err(error) if directory.exists() => {
            tracing::warn!(%error, "the search index cannot be read; making it anew");
        }
        Err(_) => {}
    }
    make(directory)
}

fn make(directory: &Path) -> Result<Opened> {
    let doing = "making the search index";
    if directory.exists() {
        std::fs::remove_dir_all(directory).map_err(|e| io(doing, &e))?;
    }
    std::fs::create_dir_all(directory).map_err(|e| io(doing, &e))?;
    let (schema, fields) = schema();
    let settings = IndexSettings {
        docstore_compression: Compressor::None,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let index = Index::builder()
        .schema(schema)
        .settings(settings)
        .create_in_dir(directory)
        .map_err(|e| failed(doing, &e))?;
    register(&index);
    Ok(Opened { index, fields, watermark: 0 })
}

/// Opens an existing index and reads what every segment says of itself: over damage there tantivy may
/// panic, and that must not happen where nobody can make the index anew.
pub(super) fn open(directory: &Path) -> tantivy::Result<Opened> {
    let opened = catch_unwind(|| {
        let index = Index::open_in_dir(directory)?;
        let (schema, fields) = schema();
        let watermark = watermark(&index).filter(|_| index.schema() == schema);
        let Some(watermark) = watermark else {
            return Err(tantivy::TantivyError::SchemaError("it is of another version".to_owned()));
        };
        register(&index);
        for segment in reader(&index)?.searcher().segment_readers() {
            segment.inverted_index(fields.words)?;
            segment.fast_fields().u64(TRACE)?;
        }
        Ok(Opened { index, fields, watermark })
    });
    let damaged = |_| tantivy::TantivyError::InternalError("a segment is damaged".to_owned());
    opened.map_err(damaged)?
}

/// A reader that looks at new commits only when told: watching would wake an idle process.
pub(super) fn reader(index: &Index) -> tantivy::Result<IndexReader> {
    index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()
}

/// What a commit carries, so that it always tells the truth about the documents beside it.
pub(super) fn payload(watermark: i64) -> String {
    format!("{VERSION} {watermark}")
}

/// None when the index is of another version.
fn watermark(index: &Index) -> Option<i64> {
    let Some(payload) = index.load_metas().ok()?.payload else { return Some(0) };
    let (version, watermark) = payload.split_once(' ')?;
    (version.parse() == Ok(VERSION)).then(|| watermark.parse().ok()).flatten()
}

/// A failure of the index.
pub(super) fn failed(doing: &str, error: &tantivy::TantivyError) -> StoreError {
    StoreError::Failed(format!("{doing}: {error}"))
}

fn register(index: &Index) {
    index.tokenizers().register(TOKENIZER, Lines::default());
}

/// Takes text apart at line feeds: the words arrive cut, each once.
#[derive(Debug, Clone, Default)]
struct Lines {
    token: Token,
}

struct LineStream<'a> {
    rest: std::str::Split<'a, char>,
    token: &'a mut Token,
}

impl Tokenizer for Lines {
    type TokenStream<'a> = LineStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> LineStream<'a> {
        self.token.reset();
        LineStream { rest: text.split('\n'), token: &mut self.token }
    }
}

impl TokenStream for LineStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(line) = self.rest.find(|line| !line.is_empty()) else { return false };
        self.token.text.clear();
        self.token.text.push_str(line);
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
