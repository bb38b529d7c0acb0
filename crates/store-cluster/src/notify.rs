//! Commits of other nodes, told by PostgreSQL's own notifications.
//!
//! A notification goes out with its transaction or not at all. One that is missed (a connection that
//! broke) is made up for by a gap: whoever listens is told to look again.

use std::{sync::Arc, time::Duration};

use exhibit_model::WorkspaceId;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio_postgres::AsyncMessage;

use crate::{open, store::Shared};

/// What another node has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignCommit {
    /// A commit of this workspace, with its sequence number.
    Of(WorkspaceId, u64),
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

/// Reads `node workspace:sequence …`.
fn tell(shared: &Shared, payload: &str) {
    let mut words = payload.split(' ');
    if words.next() == Some(shared.node.as_str()) {
        return;
    }
    for word in words {
        let read = word.split_once(':').and_then(|(workspace, sequence)| {
            Some(ForeignCommit::Of(
                WorkspaceId(workspace.parse().ok()?),
                sequence.parse().ok()?,
            ))
        });
        let _ = shared.foreign.send(read.unwrap_or(ForeignCommit::Gap));
    }
    if shared.leads() {
        shared.shipping.notify_one();
    }
}
