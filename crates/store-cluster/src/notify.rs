//! Commits of other nodes, told by PostgreSQL's own notifications.
//!
//! A notification goes out with its transaction or not at all. One that is missed (a connection that
//! broke) is made up for by a gap: whoever listens is told to look again.

use std::{sync::Arc, time::Duration};

use exhibit_model::{SpanHead, TraceSummary, WorkspaceId};
use exhibit_store::StoreError;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio_postgres::AsyncMessage;

use crate::{
    ClusterStore,
    failure::When,
    open,
    row::{Columns, int},
    store::Shared,
    trace::{REVISION, Revision, TRACE, TraceState},
};

/// What another node has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignCommit {
    /// Something was committed.
    Commit {
        /// Whose.
        workspace: WorkspaceId,
        /// Its sequence number.
        sequence: u64,
        /// Numbers of the traces that changed, as [`ClusterStore::committed`] takes them.
        traces: Vec<i64>,
    },
    /// Something was administered: a key revoked, a trace erased, a member added.
    Act,
    /// A review was opened or changed.
    Review {
        /// Whose.
        workspace: WorkspaceId,
        /// Its id.
        id: String,
    },
    /// Some commits may have been missed.
    Gap,
}

/// How long to wait before a broken connection is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = listen(&shared) => {}
            _ = stop.changed() => return,
        }
        let _ = shared.foreign.send(ForeignCommit::Gap);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn listen(shared: &Shared) {
    let connected = open::connect(&shared.options).await;
    let (client, mut connection) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            tracing::warn!(%error, "commits of other nodes are not heard of");
            return;
        }
    };
    let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
    let asking = client.batch_execute("LISTEN exhibit_commits");
    tokio::pin!(asking);
    let mut asked = false;
    loop {
        tokio::select! {
            done = &mut asking, if !asked => {
                asked = true;
                if done.is_err() {
                    return;
                }
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => tell(shared, told.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "commits of other nodes are not heard of");
                    return;
                }
                None => return,
            },
        }
    }
}

/// What a notification may say at most, bytes; PostgreSQL takes less than 8,000.
const PAYLOAD_MAX: usize = 7_900;

/// The notification of commits: the node, then `workspace:sequence:trace,trace…` for each; a list that
/// would be too long is left out, and whoever hears it looks again.
pub(crate) fn payload(node: &str, commits: &[(i64, i64, Vec<i64>)]) -> String {
    let mut text = node.to_owned();
    for (workspace, sequence, traces) in commits {
        let traces: Vec<String> = traces.iter().map(ToString::to_string).collect();
        let word = format!(" {workspace}:{sequence}:{}", traces.join(","));
        if text.len() + word.len() <= PAYLOAD_MAX {
            text.push_str(&word);
        } else if !text.ends_with(" gap") && text.len() + 4 <= PAYLOAD_MAX {
            text.push_str(" gap");
        }
    }
    text
}

fn tell(shared: &Shared, payload: &str) {
    let mut words = payload.split(' ');
    if words.next() == Some(shared.node.as_str()) {
        return;
    }
    for word in words {
        let _ = shared.foreign.send(match word {
            "act" => ForeignCommit::Act,
            word => read(word).unwrap_or(ForeignCommit::Gap),
        });
    }
}

/// The notification of a review.
pub(crate) fn of_review(node: &str, workspace: WorkspaceId, id: &str) -> String {
    format!("{node} {REVIEW}{}:{id}", workspace.0)
}

/// What the word of a review begins with.
const REVIEW: &str = "review:";

fn read(word: &str) -> Option<ForeignCommit> {
    if let Some(review) = word.strip_prefix(REVIEW) {
        let (workspace, id) = review.split_once(':')?;
        let workspace = WorkspaceId(workspace.parse().ok()?);
        return Some(ForeignCommit::Review { workspace, id: id.to_owned() });
    }
    let mut parts = word.split(':');
    let (workspace, sequence) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let traces = parts.next()?.split(',').filter(|t| !t.is_empty()).map(str::parse);
    let traces = traces.collect::<Result<_, _>>().ok()?;
    Some(ForeignCommit::Commit { workspace: WorkspaceId(workspace), sequence, traces })
}

impl ClusterStore {
    /// What a commit of another node has changed: each trace as it is now, with the spans that were
    /// written by that commit or later ones.
    pub async fn committed(
        &self,
        workspace: WorkspaceId,
        sequence: u64,
        traces: &[i64],
    ) -> Result<Vec<(Arc<TraceSummary>, Vec<SpanHead>)>, StoreError> {
        let doing = "reading a commit";
        let client = self.client().await?;
        let sql =
            format!("SELECT {TRACE} FROM traces AS t WHERE t.workspace = $1 AND t.id = ANY($2)");
        let mut found = Vec::new();
        for row in client.query(&sql, &[&workspace.0, &traces]).await.when(doing)? {
            let state = TraceState::read(&mut Columns::of(&row))?;
            // A block is numbered after the commit it belongs to.
            let sql = format!(
                "SELECT {REVISION} FROM spans AS p WHERE p.trace = $1 AND p.block > $2 \
                 AND p.span_id <> '~' LIMIT 1000"
            );
            let rows = client.query(&sql, &[&state.id, &int(sequence)]).await.when(doing)?;
            let heads = rows.iter().map(|row| Ok(Revision::read(&mut Columns::of(row))?.head));
            found.push((Arc::clone(&state.summary), heads.collect::<Result<_, StoreError>>()?));
        }
        Ok(found)
    }
}
