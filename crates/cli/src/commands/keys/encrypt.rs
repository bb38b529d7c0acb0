//! `exhibit keys encrypt-stored`: payloads that lie in plain are encrypted.

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    config::Loaded,
    data_dir::DataDir,
    encryption::{Source, searches},
    failure::{Exit, Failure},
    installation::{Installation, not_installed},
    output::Output,
};

/// Runs the command.
pub(super) async fn run(loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let data = DataDir::new(&loaded.config.data_dir);
    if !data.is_installed() {
        return Err(not_installed(&data).into());
    }
    if Source::of(loaded)?.is_none() {
        return Err(Failure::usage("payloads are not encrypted here")
            .hint("set encryption.key_file to a key that `exhibit keys make-master` has made")
            .into());
    }
    // Holds the directory for as long as it takes; the index of words goes where it is not to be kept.
    let home = Installation::open(loaded).await?;
    let bar = bar(output);
    let progress = |done: u64, all: u64| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let done = home.recorder.encrypt_stored(&progress).await;
    bar.finish_and_clear();
    home.close().await?;
    let done = done?;
    if output.json {
        output.json(&done)?;
    } else {
        output.line(match done.traces {
            0 => "no payload lay in plain".to_owned(),
            traces => format!("{traces} traces are encrypted, {} blocks of payload", done.blocks),
        })?;
        if done.refused_entries > 0 {
            output.note(format!("{} refused entries keep no text", done.refused_entries));
        }
        output.hint("backups made before hold these payloads in plain: let them expire");
        output.hint("copy the keys of payloads again: exhibit keys copy-payload-keys FILE");
    }
    if searches(loaded) {
        output.warn("encryption.plain_index is on: every word of them stands in search/ in plain");
    }
    if !done.scrubbed {
        return Err(Failure::new("bytes of what was replaced may be left in the database's files")
            .hint("another process reads them; end it and run this again")
            .into());
    }
    Ok(Exit::Done)
}

fn bar(output: Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = "{bar:30} {human_pos} of {human_len} traces, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
