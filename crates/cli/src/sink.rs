//! The sink as configured: a MongoDB of somebody's own, in a binary built with `--features mongo-sink`.

#[cfg(feature = "mongo-sink")]
mod mongo;

use std::sync::Arc;

use exhibit_recorder::{Recorder, Sink, SinkRule};

use crate::{config::Config, failure::Failure};

/// A sink and where it leads, for people.
pub(crate) struct Place {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) name: String,
}

/// What the configuration names, read without asking anybody; none where it names nothing.
pub(crate) fn place(config: &Config) -> Result<Option<Place>, Failure> {
    config.mongo_sink.as_deref().map(mongo).transpose()
}

/// The same, with the workspace whose traces go there.
pub(crate) async fn rule(config: &Config, recorder: &Recorder) -> anyhow::Result<Option<SinkRule>> {
    let Some(Place { sink, name }) = place(config)? else { return Ok(None) };
    let wanted = &config.mongo_sink_workspace;
    let Some(workspace) = recorder.workspace(wanted).await? else {
        let message = format!("mongo_sink_workspace: there is no workspace {wanted}");
        return Err(Failure::usage(message).into());
    };
    Ok(Some(SinkRule { sink, workspace: workspace.id, place: name }))
}

#[cfg(feature = "mongo-sink")]
use mongo::open as mongo;

#[cfg(not(feature = "mongo-sink"))]
fn mongo(_: &str) -> Result<Place, Failure> {
    let message = "mongo_sink: this binary was built without the MongoDB sink";
    Err(Failure::usage(message).hint("build it with `--features mongo-sink`, or unset mongo_sink"))
}
