//! Live view: what has been committed, told to whoever watches.
//!
//! Each workspace has a ring of recent events. A watcher that falls behind is told so and resumes
//! from the store; nobody who watches can slow the recorder down.

use std::{collections::HashMap, sync::Arc};

use exhibit_model::{Nanos, Review, SpanHead, SpanId, SpanKind, Status, TraceSummary, WorkspaceId};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::{Error, Recorder};

/// Something was committed.
#[derive(Debug, Clone)]
pub struct LiveEvent {
    /// Grows with every commit of the installation: the cursor to resume from.
    pub sequence: u64,
    /// When.
    pub at: Nanos,
    /// The trace after the commit.
    pub trace: Arc<TraceSummary>,
    /// The spans that were committed.
    pub spans: Vec<LiveSpan>,
    /// A review that was opened or changed; then there are no spans.
    pub review: Option<Arc<Review>>,
}

/// A span in a live event.
#[derive(Debug, Clone)]
pub struct LiveSpan {
    /// Its id.
    pub span_id: SpanId,
    /// Its parent.
    pub parent_id: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// Its status.
    pub status: Status,
    /// When it started.
    pub start: Nanos,
    /// When it ended.
    pub end: Option<Nanos>,
    /// The model.
    pub model: Option<String>,
}

impl LiveSpan {
    pub(crate) fn of(head: &SpanHead) -> Self {
        Self {
            span_id: head.span_id.clone(),
            parent_id: head.parent_id.clone(),
            name: head.name.clone(),
            kind: head.kind,
            status: head.status,
            start: head.start,
            end: head.end,
            model: head.model.clone(),
        }
    }
}

/// What a watcher gets.
#[derive(Debug, Clone)]
pub enum LiveItem {
    /// An event.
    Event(Arc<LiveEvent>),
    /// Events were missed; read the lists again and go on.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The recorder is stopping.
    Closed,
}

/// A watcher's end.
pub struct LiveStream {
    /// Events after the cursor that were still in memory.
    backlog: std::collections::VecDeque<Arc<LiveEvent>>,
    lagged: Option<u64>,
    receiver: broadcast::Receiver<Arc<LiveEvent>>,
    last: u64,
}

impl LiveStream {
    /// The next item; waits for one.
    pub async fn next(&mut self) -> LiveItem {
        if let Some(missed) = self.lagged.take() {
            return LiveItem::Lagged { missed };
        }
        loop {
            let event = match self.backlog.pop_front() {
                Some(event) => event,
                None => match self.receiver.recv().await {
                    Ok(event) => event,
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        return LiveItem::Lagged { missed };
                    }
                    Err(broadcast::error::RecvError::Closed) => return LiveItem::Closed,
                },
            };
            // The backlog and the channel may both hold an event.
            if event.sequence >= self.last {
                self.last = event.sequence;
                return LiveItem::Event(event);
            }
        }
    }
}

struct Channel {
    sender: broadcast::Sender<Arc<LiveEvent>>,
    recent: std::collections::VecDeque<Arc<LiveEvent>>,
}

pub(crate) struct Live {
    backlog_max: usize,
    channels: Mutex<HashMap<WorkspaceId, Channel>>,
}

impl Live {
    pub(crate) fn new(backlog_max: usize) -> Self {
        Self { backlog_max: backlog_max.max(1), channels: Mutex::new(HashMap::new()) }
    }

    /// Whether anybody has watched this workspace since the start; events of others are not made.
    pub(crate) fn is_watched(&self, workspace: WorkspaceId) -> bool {
        self.channels.lock().contains_key(&workspace)
    }

    pub(crate) fn send(&self, workspace: WorkspaceId, event: LiveEvent) {
        if let Some(channel) = self.channels.lock().get_mut(&workspace) {
            let event = Arc::new(event);
            if channel.recent.len() == self.backlog_max {
                channel.recent.pop_front();
            }
            channel.recent.push_back(Arc::clone(&event));
            // An error only says that nobody listens at the moment.
            let _ = channel.sender.send(event);
        }
    }

    /// Tells of a review. It takes the cursor of the event before it, since no span was committed.
    pub(crate) fn send_review(
        &self,
        workspace: WorkspaceId,
        at: Nanos,
        trace: Arc<TraceSummary>,
        review: Review,
    ) {
        let last = |channels: &HashMap<WorkspaceId, Channel>| {
            channels.get(&workspace)?.recent.back().map(|event| event.sequence)
        };
        let sequence = last(&self.channels.lock()).unwrap_or(0);
        let review = Some(Arc::new(review));
        self.send(workspace, LiveEvent { sequence, at, trace, spans: Vec::new(), review });
    }

    /// Ends every stream; whoever watches comes again and reads the lists.
    pub(crate) fn close_all(&self) {
        self.channels.lock().clear();
    }

    fn watch(&self, workspace: WorkspaceId, after: Option<u64>) -> LiveStream {
        let mut channels = self.channels.lock();
        let channel = channels.entry(workspace).or_insert_with(|| Channel {
            sender: broadcast::channel(self.backlog_max).0,
            recent: std::collections::VecDeque::new(),
        });
        let receiver = channel.sender.subscribe();
        let Some(after) = after else {
            return LiveStream {
                backlog: std::collections::VecDeque::new(),
                lagged: None,
                receiver,
                last: 0,
            };
        };
        let oldest = channel.recent.front().map(|e| e.sequence);
        let whole = oldest.is_some_and(|oldest| oldest <= after.saturating_add(1));
        let backlog = channel.recent.iter().filter(|e| e.sequence > after).cloned().collect();
        LiveStream { backlog, lagged: (!whole).then_some(0), receiver, last: after }
    }
}

impl Recorder {
    /// Watches a workspace. With a cursor, events after it come first where they are still in
    /// memory; where they are not, the stream starts with [`LiveItem::Lagged`].
    #[allow(clippy::unused_async, reason = "a store of several nodes listens over the network")]
    pub async fn live(
        &self,
        workspace: WorkspaceId,
        after: Option<u64>,
    ) -> Result<LiveStream, Error> {
        Ok(self.live.watch(workspace, after))
    }
}
