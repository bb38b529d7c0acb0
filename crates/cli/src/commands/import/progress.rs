//! How far a file has come: a bar for whoever watches, and a note beside the file for the next run.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::records::Records;
use crate::output::Output;

/// What the note says.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Note {
    /// Length of the file, by which another file of the same name is told.
    length: u64,
    /// Records that the server has.
    done: u64,
    /// Entries of them that it refused.
    refused: u64,
}

/// The progress of one file.
pub(super) struct Progress {
    bar: ProgressBar,
    place: PathBuf,
    note: Note,
    warned: bool,
    output: Output,
}

impl Progress {
    /// Where an earlier run of this file stopped, unless it is to begin anew.
    pub(super) fn open(
        path: &Path,
        records: &Records,
        restart: bool,
        output: Output,
    ) -> anyhow::Result<Self> {
        let mut place = path.as_os_str().to_owned();
        place.push(".import");
        let place = PathBuf::from(place);
        let length = std::fs::metadata(path)?.len();
        let held = std::fs::read(&place).ok().and_then(|b| serde_json::from_slice::<Note>(&b).ok());
        let note = held.filter(|note| !restart && note.length == length);
        if let Some(note) = &note {
            output.note(format!("{}: going on after record {}", path.display(), note.done));
        }
        let note = note.unwrap_or(Note { length, ..Note::default() });
        let bar = if output.draws_progress() {
            let bar = ProgressBar::new(records.total());
            let form = "{bar:30} {percent:>3}% {msg} {eta}";
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style);
            }
            bar
        } else {
            ProgressBar::hidden()
        };
        Ok(Self { bar, place, note, warned: false, output })
    }

    /// Records that the server has from an earlier run.
    pub(super) fn done(&self) -> u64 {
        self.note.done
    }

    /// Entries of them that it refused.
    pub(super) fn refused(&self) -> u64 {
        self.note.refused
    }

    /// The server has this many records.
    pub(super) fn reached(&mut self, done: u64, refused: u64, position: u64) {
        (self.note.done, self.note.refused) = (done, refused);
        self.bar.set_position(position);
        self.bar.set_message(format!("{done} records"));
        let written = serde_json::to_vec(&self.note)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&self.place, bytes));
        if let Err(error) = written
            && !std::mem::replace(&mut self.warned, true)
        {
            let place = self.place.display();
            self.output.note(format!("an interrupted run will begin anew: {place}: {error}"));
        }
    }

    /// All is done; nothing is left to go on with.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
        // It may never have been written.
        let _ = std::fs::remove_file(&self.place);
    }
}
