//! `exhibit`: the one binary, and the only room that names a concrete store.
//!
//! `args` is the command line, `config` the settings, `commands` one file per command. A command
//! reaches the recorder through one door (`door`): the API of the running server, or of a server of
//! its own on the data directory when none runs; so every command behaves the same with the server
//! up and down. `data_dir` knows the directory, `installation` opens what is in it.

mod args;
mod cold;
mod commands;
mod config;
mod control;
mod courier;
mod data_dir;
mod door;
mod encryption;
mod failure;
mod installation;
mod opened;
mod output;
mod outside;
mod port_holder;
mod remote;
mod rerun;
mod sink;

use std::process::ExitCode;

use failure::{Exit, Failure};
use output::Output;

/// Its settings stand in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as "errors" that go to standard output and end well.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(&cli.global);
    match commands::run(cli, output) {
        Ok(exit) => exit.into(),
        Err(error) if failure::is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => report(output, &error).into(),
    }
}

/// Prints an error with its causes and hints.
fn report(output: Output, error: &anyhow::Error) -> Exit {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Wrappers often repeat what they wrap.
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let exit = failure.map_or(Exit::Failed, |f| f.exit);
    let hints = failure.map(|f| f.hints.as_slice()).unwrap_or_default();
    if output.json {
        let body = serde_json::json!({
            "error": {"message": text, "hints": hints, "exit_code": exit as u8}
        });
        let _ = output.json(&body);
    }
    output.error(&text);
    for hint in hints {
        output.hint(hint);
    }
    exit
}
