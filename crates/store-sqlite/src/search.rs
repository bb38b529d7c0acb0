//! Full-text search: an index of its own beside the database, filled after the commit.
//!
//! What is acknowledged is in the database; the index follows within a second or two and can be
//! thrown away at any time. Every trace write is one document: the set of its words, no positions,
//! no frequencies. It answers one question, which traces have a word ([`find`]); which of them match
//! a filter, and in which order they are shown, is the database's matter.

pub(crate) mod find;
mod index;
mod indexer;
pub(crate) mod words;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use crossbeam_channel::Sender;
use exhibit_store::StoreError;
use parking_lot::Mutex;
use tantivy::{IndexReader, Searcher};
use tokio::sync::watch;

use crate::{Options, failure::Result};
use index::Fields;
use words::Words;

/// A block that was committed.
#[derive(Debug)]
pub(crate) struct IndexEntry {
    pub(crate) block: i64,
    pub(crate) trace: i64,
    pub(crate) workspace: i64,
    /// The text to be found; none when it has to be read from the store.
    pub(crate) text: Option<String>,
}

/// A block as the indexer takes it.
struct Document {
    block: i64,
    trace: i64,
    /// Its words; none when they have to be read from the store.
    words: Option<Box<str>>,
}

enum Message {
    /// A trace was erased.
    Forget(i64),
    Document(Document),
    /// Somebody waits: do not put off the commit.
    Settle,
    /// Rewrite what holds words of erased traces.
    Scrub(tokio::sync::oneshot::Sender<Result<()>>),
    Stop,
}

/// Where the writer hands over what is to be indexed. Never blocks: what does not fit is left for the
/// indexer to read from the store. Texts become words here, a tenth of them, so that all that comes
/// while the index commits has room to wait.
#[derive(Debug, Default)]
pub(crate) struct IndexFeed {
    shared: Option<Arc<Shared>>,
    words: Words,
}

#[derive(Debug)]
struct Shared {
    messages: Sender<Message>,
    /// The last block that was committed.
    last_block: AtomicI64,
    queued_bytes: AtomicUsize,
    queue_bytes_max: usize,
}

impl IndexFeed {
    /// Hands over traces that were erased.
    pub(crate) fn forget(&self, traces: Vec<i64>) {
        let Some(shared) = &self.shared else { return };
        for trace in traces {
            // An indexer that is gone forgets nothing; rows of erased traces are found nowhere.
            let _ = shared.messages.send(Message::Forget(trace));
        }
    }

    /// Hands over committed blocks, in order.
    pub(crate) fn send(&mut self, entries: Vec<IndexEntry>) {
        let Some(shared) = &self.shared else { return };
        for IndexEntry { block, trace, workspace, text } in entries {
            shared.last_block.store(block, Ordering::Release);
            let words = text.map(|text| {
                self.words.begin(workspace);
                self.words.push(&text);
                self.words.lines().into()
            });
            let document = Document { block, trace, words };
            let bytes = weight(&document);
            let queued = shared.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
            // An indexer that is gone needs nothing.
            if queued + bytes > shared.queue_bytes_max
                || shared.messages.send(Message::Document(document)).is_err()
            {
                shared.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
            }
        }
    }
}

/// What a document weighs in the queue.
fn weight(document: &Document) -> usize {
    128 + document.words.as_deref().map_or(0, str::len)
}

/// The index, for readers.
pub(crate) struct Search {
    reader: IndexReader,
    fields: Fields,
    /// None when it is only read.
    shared: Option<Arc<Shared>>,
    /// Up to which block everything is found.
    settled: watch::Receiver<i64>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("settled", &*self.settled.borrow()).finish_non_exhaustive()
    }
}

impl Search {
    /// Opens the index in `directory`, or makes it anew, and starts the thread that fills it.
    /// `last_block` is the last committed one; what the index lacks is read from `database`.
    pub(crate) fn start(
        directory: &Path,
        database: PathBuf,
        last_block: i64,
        options: &Options,
    ) -> Result<Self> {
        let opened = index::open_or_make(directory, last_block)?;
        let reader = index::reader(&opened.index)
            .map_err(|e| index::failed("reading the search index", &e))?;
        let (messages, waiting) = crossbeam_channel::unbounded();
        let shared = Arc::new(Shared {
            messages,
            last_block: AtomicI64::new(last_block),
            queued_bytes: AtomicUsize::new(0),
            queue_bytes_max: options.index_queue_bytes_max,
        });
        let (told, settled) = watch::channel(opened.watermark);
        let indexer = indexer::Indexer::new(
            opened.index,
            opened.fields,
            reader.clone(),
            opened.watermark,
            database,
            options,
            Arc::clone(&shared),
            told,
        );
        let thread = std::thread::Builder::new()
            .name("exhibit-indexer".to_owned())
            .spawn(move || indexer.run(&waiting))
            .map_err(|e| crate::failure::io("starting the indexer", &e))?;
        Ok(Self {
            reader,
            fields: opened.fields,
            shared: Some(shared),
            settled,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Opens an index to read only; none when there is none.
    pub(crate) fn open_read_only(directory: &Path) -> Option<Self> {
        let opened = index::open(directory).ok()?;
        let reader = index::reader(&opened.index).ok()?;
        let (_, settled) = watch::channel(opened.watermark);
        Some(Self {
            reader,
            fields: opened.fields,
            shared: None,
            settled,
            thread: Mutex::new(None),
        })
    }

    pub(crate) fn feed(&self) -> IndexFeed {
        IndexFeed { shared: self.shared.clone(), words: Words::default() }
    }

    /// The last block that the index holds; every earlier one too.
    pub(crate) fn watermark(&self) -> i64 {
        *self.settled.borrow()
    }

    /// The index as it stands.
    pub(crate) fn searcher(&self) -> (Searcher, Fields) {
        (self.reader.searcher(), self.fields)
    }

    /// Waits until everything committed before the call is found.
    pub(crate) async fn settle(&self) -> Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let target = shared.last_block.load(Ordering::Acquire);
        let mut settled = self.settled.clone();
        if *settled.borrow() >= target {
            return Ok(());
        }
        shared.messages.send(Message::Settle).map_err(|_| StoreError::Closed)?;
        settled.wait_for(|block| *block >= target).await.map_err(|_| StoreError::Closed)?;
        Ok(())
    }

    /// Rewrites every segment that holds words of forgotten traces.
    pub(crate) async fn scrub(&self) -> Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let (reply, answer) = tokio::sync::oneshot::channel();
        shared.messages.send(Message::Scrub(reply)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Stops the indexer after what it has.
    pub(crate) fn stop(&self) {
        if let Some(shared) = &self.shared {
            // An indexer that has stopped cannot be told again.
            let _ = shared.messages.send(Message::Stop);
        }
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the indexer thread panicked");
        }
    }
}
