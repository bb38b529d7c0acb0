//! The thread that fills the index.
//!
//! Documents become visible about a second after the first of them came, at once when somebody
//! waits. Between commits and without work it sleeps. The watermark moves without gaps: entries that
//! did not fit into the queue, and everything since the last commit before a crash, are read from
//! the store.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use exhibit_model::{record, text::searchable};
use rusqlite::Connection;
use tantivy::{
    Index, IndexReader, IndexWriter, TantivyDocument, indexer::IndexWriterOptions,
    indexer::LogMergePolicy,
};
use tokio::sync::watch;

use super::{
    Document, Message, Shared,
    index::{self, Fields},
    weight,
    words::Words,
};
use crate::{
    Options, PayloadSources,
    failure::{Result, SqlContext},
    row::{
        Columns,
        payload::{Payloads, slices},
        span::{Packed, Place},
    },
};

/// How long a document may wait to be found: two seconds are promised, and every commit repeats the
/// vocabulary.
const COMMIT_AFTER: Duration = Duration::from_millis(1_400);
/// Blocks read from the store at a time.
const CATCH_UP_BLOCKS: i64 = 256;
/// After a failure, how long until the next attempt.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Rounds of merging after an erasure, and how long to wait for merges that run already.
const SCRUBS_MAX: usize = 50;
const SCRUB_WAIT: Duration = Duration::from_millis(100);

pub(super) struct Indexer {
    index: Index,
    fields: Fields,
    reader: IndexReader,
    /// Made when first needed: opening must be quick, and an idle process small.
    writer: Option<IndexWriter>,
    heap_bytes: usize,
    /// The last block that was added.
    position: i64,
    /// The last block that was committed.
    committed: i64,
    dirty_since: Option<Instant>,
    /// Documents were removed since the last commit.
    removed: bool,
    /// After a failure: when to try again. Until then entries are left to the store.
    retry_at: Option<Instant>,
    database: PathBuf,
    sources: PayloadSources,
    shared: Arc<Shared>,
    told: watch::Sender<i64>,
}

impl Indexer {
    pub(super) fn new(
        index: Index,
        fields: Fields,
        reader: IndexReader,
        watermark: i64,
        database: PathBuf,
        options: &Options,
        shared: Arc<Shared>,
        told: watch::Sender<i64>,
    ) -> Self {
        Self {
            index,
            fields,
            reader,
            writer: None,
            heap_bytes: options.index_heap_bytes,
            sources: options.payloads.clone(),
            position: watermark,
            committed: watermark,
            dirty_since: None,
            removed: false,
            retry_at: None,
            database,
            shared,
            told,
        }
    }

    /// Until it is told to stop.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut wait = Some(Duration::ZERO);
        loop {
            let message = match wait {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => messages.recv_timeout(wait),
            };
            if let Ok(Message::Document(document)) = &message {
                self.shared.queued_bytes.fetch_sub(weight(document), Ordering::AcqRel);
            }
            let waiting = self.retry_at.is_some_and(|at| Instant::now() < at);
            let done = match message {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(_) if waiting => Ok(()),
                Ok(Message::Forget(trace)) => self.forget(trace),
                Ok(Message::Document(document)) => self.add(&document),
                Ok(Message::Scrub(reply)) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.scrub());
                    Ok(())
                }
                Ok(Message::Settle) | Err(RecvTimeoutError::Timeout) => self.settle(),
            };
            if let Err(error) = done {
                tracing::error!(%error, "the search index lags behind");
                self.give_up();
            }
            wait = self.wait(messages.is_empty());
        }
        if let Err(error) = self.commit() {
            tracing::warn!(%error, "the search index will catch up at the next start");
        }
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.wait_merging_threads()
        {
            tracing::warn!(%error, "merging the search index");
        }
    }

    /// How long to wait for the next message; none: for ever.
    fn wait(&self, idle: bool) -> Option<Duration> {
        let until = |at: Instant| at.saturating_duration_since(Instant::now());
        if let Some(at) = self.retry_at {
            return Some(until(at));
        }
        if let Some(since) = self.dirty_since {
            return Some(until(since + COMMIT_AFTER));
        }
        let behind = self.position < self.shared.last_block.load(Ordering::Acquire);
        (idle && behind).then_some(Duration::ZERO)
    }

    /// Throws away what is not committed, after a failure; it is read again from the store.
    fn give_up(&mut self) {
        self.writer = None;
        self.position = self.committed;
        self.dirty_since = None;
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
    }

    fn settle(&mut self) -> Result<()> {
        self.catch_up()?;
        self.commit()?;
        self.retry_at = None;
        Ok(())
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        if document.block <= self.position {
            return Ok(());
        }
        self.catch_up_to(document.block - 1)?;
        match &document.words {
            Some(words) => {
                self.add_document(document.trace, words)?;
                self.advance(document.block);
                Ok(())
            }
            None => self.catch_up_to(document.block),
        }
    }

    /// Removes the documents of a trace.
    fn forget(&mut self, trace: i64) -> Result<()> {
        let term = tantivy::Term::from_field_u64(self.fields.trace, trace as u64);
        self.writer()?.delete_term(term);
        self.removed = true;
        self.dirty_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Writes segments anew that hold words of removed documents: to the index they are gone at once, to
    /// the disk not before this.
    fn scrub(&mut self) -> Result<()> {
        let doing = "merging the search index";
        self.settle()?;
        for _ in 0..SCRUBS_MAX {
            let segments = self.index.searchable_segment_metas();
            let segments = segments.map_err(|e| index::failed(doing, &e))?;
            let holed = segments.iter().filter(|one| one.num_deleted_docs() > 0);
            let holed: Vec<_> = holed.map(tantivy::SegmentMeta::id).collect();
            let writer = self.writer()?;
            if holed.is_empty() {
                break;
            }
            // Where one of them is being merged already, that has to end first.
            if writer.merge(&holed).wait().is_err() {
                std::thread::sleep(SCRUB_WAIT);
            }
        }
        self.reader.reload().map_err(|e| index::failed(doing, &e))?;
        let collected = self.writer()?.garbage_collect_files().wait();
        collected.map(drop).map_err(|e| index::failed(doing, &e))
    }

    fn advance(&mut self, block: i64) {
        self.position = block;
        self.dirty_since.get_or_insert_with(Instant::now);
    }

    /// Adds words of a trace, one a line.
    fn add_document(&mut self, trace: i64, words: &str) -> Result<()> {
        if words.is_empty() {
            return Ok(());
        }
        let mut document = TantivyDocument::new();
        document.add_text(self.fields.words, words);
        document.add_u64(self.fields.trace, trace as u64);
        self.writer()?
            .add_document(document)
            .map_err(|e| index::failed("adding to the search index", &e))?;
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut IndexWriter> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let options = IndexWriterOptions::builder()
                    .num_worker_threads(1)
                    .num_merge_threads(1)
                    .memory_budget_per_thread(self.heap_bytes)
                    .build();
                let writer = self
                    .index
                    .writer_with_options(options)
                    .map_err(|e| index::failed("opening the search index", &e))?;
                let mut policy = LogMergePolicy::default();
                // A commit a second makes segments of a few hundred traces; ten of them at a time,
                // then ten of those: a document is merged about twice per million spans.
                policy.set_min_num_segments(10);
                policy.set_min_layer_size(1_000);
                writer.set_merge_policy(Box::new(policy));
                writer
            }
        };
        Ok(self.writer.insert(writer))
    }

    /// Makes everything so far durable and visible.
    fn commit(&mut self) -> Result<()> {
        let doing = "committing the search index";
        if self.position > self.committed || self.removed {
            self.removed = false;
            let payload = index::payload(self.position);
            let mut prepared =
                self.writer()?.prepare_commit().map_err(|e| index::failed(doing, &e))?;
            prepared.set_payload(&payload);
            prepared.commit().map_err(|e| index::failed(doing, &e))?;
            self.reader.reload().map_err(|e| index::failed(doing, &e))?;
            self.committed = self.position;
        }
        self.dirty_since = None;
        self.told.send_replace(self.committed);
        Ok(())
    }

    /// Reads whatever is committed in the store and not here.
    fn catch_up(&mut self) -> Result<()> {
        self.catch_up_to(self.shared.last_block.load(Ordering::Acquire))
    }

    fn catch_up_to(&mut self, target: i64) -> Result<()> {
        if self.position >= target {
            return Ok(());
        }
        let begun = self.position;
        let db = crate::pool::open_reader(&self.database)?;
        while self.position < target {
            let upto = target.min(self.position + CATCH_UP_BLOCKS);
            let mut found = blocks(&db, self.position, upto)?;
            // Trace by trace: the spans of a trace are read once for all of its blocks.
            found.sort_unstable_by_key(|(_, trace, _)| *trace);
            for of_trace in found.chunk_by(|a, b| a.1 == b.1) {
                self.add_blocks(&db, of_trace)?;
            }
            self.advance(upto);
            if self.dirty_since.is_some_and(|since| since.elapsed() > COMMIT_AFTER) {
                self.commit()?;
            }
        }
        tracing::debug!(blocks = target - begun, "the search index caught up from the store");
        Ok(())
    }

    /// Adds blocks of one trace from the store.
    fn add_blocks(&mut self, db: &Connection, blocks: &[(i64, i64, i64)]) -> Result<()> {
        let Some((_, trace, workspace)) = blocks.first().copied() else { return Ok(()) };
        let places = places(db, trace)?;
        let sources = self.sources.clone();
        let mut payloads = Payloads::new(db, &sources);
        let mut words = Words::default();
        for (block, ..) in blocks {
            if let Some(places) = places.get(block) {
                words.begin(workspace);
                read_words(&mut payloads, *block, places, &mut words)?;
                self.add_document(trace, words.lines())?;
            }
        }
        Ok(())
    }
}

/// Blocks after one up to another, with trace and workspace.
fn blocks(db: &Connection, after: i64, upto: i64) -> Result<Vec<(i64, i64, i64)>> {
    db.prepare_cached(
        "SELECT b.id, b.trace, t.workspace FROM blocks b JOIN traces t ON t.id = b.trace \
         WHERE b.id > ?1 AND b.id <= ?2 ORDER BY b.id",
    )
    .and_then(|mut s| {
        s.query_map((after, upto), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    })
    .when("reading blocks for the search index")
}

/// The records of a trace by the block they stand in.
fn places(db: &Connection, trace: i64) -> Result<HashMap<i64, Vec<Place>>> {
    let doing = "reading records for the search index";
    let mut places: HashMap<i64, Vec<Place>> = HashMap::new();
    let mut statement =
        db.prepare_cached("SELECT packed FROM spans WHERE trace = ?1").when(doing)?;
    let mut rows = statement.query([trace]).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let place = Packed::read(Columns::of(row).bytes()?)?.place;
        places.entry(place.block).or_default().push(place);
    }
    let mut statement = db
        .prepare_cached("SELECT block, offset, lengths FROM superseded WHERE trace = ?1")
        .when(doing)?;
    let mut rows = statement.query([trace]).when(doing)?;
    while let Some(row) = rows.next().when(doing)? {
        let place = Place::read(&mut Columns::of(row))?;
        places.entry(place.block).or_default().push(place);
    }
    Ok(places)
}

/// The words of the records at some places of a block, but of those that are quarantined.
fn read_words(
    payloads: &mut Payloads<'_>,
    block: i64,
    places: &[Place],
    words: &mut Words,
) -> Result<()> {
    let raw = payloads.block(block)?;
    let mut text = String::new();
    for place in places {
        match record::decode(slices(raw, place)?) {
            Ok(span) if span.decision.is_quarantine() => {}
            Ok(span) => {
                text.clear();
                searchable(&span, &mut text);
                words.push(&text);
            }
            // What is quarantined lies locked.
            Err(_) if !slices(raw, place)?[0].starts_with(b"{") => {}
            // Verification names such a record; search must not stop at it.
            Err(error) => tracing::warn!(%error, block, "a record does not read"),
        }
    }
    Ok(())
}
