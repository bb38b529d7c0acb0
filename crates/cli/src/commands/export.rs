//! `exhibit export`: what goes out of the house.

mod evidence;
mod formats;

use crate::{
    args::ExportCommand,
    config::Loaded,
    door::{Door, Need},
    failure::Exit,
    output::Output,
};

/// Runs the command. Every export is a leaf of the log, so the door must let us write.
pub(crate) async fn run(
    command: ExportCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let door = Door::open(loaded, Need::Write).await?;
    let done = match command {
        ExportCommand::Evidence(args) => evidence::run(&args, &door.remote, output).await,
        ExportCommand::Spans(args) => evidence::spans(&args, &door.remote, output).await,
        ExportCommand::AuditTrail(args) => formats::trail(&args, &door.remote, output).await,
        ExportCommand::Statement(args) => formats::statement(&args, &door.remote, output).await,
        ExportCommand::Receipt(args) => formats::receipt(&args, &door.remote, output).await,
    };
    door.close(Need::Write).await?;
    done
}
