//! What the commands do, one file each.

mod ablate;
mod archive;
mod backup;
mod config;
mod dead_letters;
mod doctor;
mod export;
mod import;
mod keep;
mod keys;
mod migrate;
mod pages;
mod policy;
mod remap;
mod replay;
mod restore;
mod reviews;
mod scan;
mod serve;
mod trace;
mod traces;
mod verify;
mod witness;

use std::sync::Arc;

use anyhow::Context as _;

use crate::{
    args::{Cli, Command, Global},
    config::{Environment, Loaded, Override, load},
    failure::Exit,
    output::Output,
};

/// Runs a command.
pub(crate) fn run(cli: Cli, output: Output) -> anyhow::Result<Exit> {
    let Cli { global, command } = cli;
    match command {
        Command::Completions(args) => pages::completions(&args, output),
        Command::Man(args) => pages::man(&args, output),
        Command::Openapi => pages::openapi(output),
        Command::Reference(args) => pages::reference(&args, output),
        Command::Scan(args) => scan::run(&args, output.json),
        Command::Serve(args) => {
            let loaded = settings(&global, serve::overrides(&args)?)?;
            // Commands keep quiet about what has no effect; the server says it once per start.
            loaded.notices.iter().for_each(|notice| output.note(notice));
            if args.check {
                return serve::check(&loaded, output);
            }
            runtime()?.block_on(serve::run(loaded, output))
        }
        Command::Config(args) => config::run(&args, &settings(&global, Vec::new())?, output),
        command => {
            let loaded = Arc::new(settings(&global, Vec::new())?);
            runtime()?.block_on(async {
                match command {
                    Command::Trace(args) => trace::run(args, &loaded, output).await,
                    Command::Replay(args) => replay::run(args, &loaded, output).await,
                    Command::Ablate(args) => ablate::run(args, &loaded, output).await,
                    Command::Traces(args) => traces::run(args, &loaded, output).await,
                    Command::Verify(args) => verify::run(args, &loaded, output).await,
                    Command::Export(args) => export::run(args, &loaded, output).await,
                    Command::Witness(args) => witness::run(args, &loaded, output).await,
                    Command::Retention(args) => keep::retention(args, &loaded, output).await,
                    Command::Holds(args) => keep::holds(args, &loaded, output).await,
                    Command::Erase(args) => keep::erase(args, &loaded, output).await,
                    Command::Archive(args) => archive::run(args, &loaded, output).await,
                    Command::Keys(args) => keys::run(args, &loaded, output).await,
                    Command::DeadLetters(args) => dead_letters::run(args, &loaded, output).await,
                    Command::Import(args) => import::run(args, &loaded, output).await,
                    Command::Remap(args) => remap::run(args, &loaded, output).await,
                    Command::Policy(args) => policy::run(args, &loaded, output).await,
                    Command::Reviews(args) => reviews::run(args, &loaded, output).await,
                    Command::Backup(args) => backup::run(&args, &loaded, output).await,
                    Command::Restore(args) => restore::run(&args, &loaded, output).await,
                    Command::Migrate(args) => migrate::run(&args, &loaded, output).await,
                    _ => doctor::run(&loaded, output).await,
                }
            })
        }
    }
}

/// The settings in force for a command line.
fn settings(global: &Global, mut overrides: Vec<Override>) -> anyhow::Result<Loaded> {
    if let Some(dir) = &global.data_dir {
        let value = dir.to_str().context("--data-dir: the path is not UTF-8")?.into();
        overrides.push(Override { key: "data_dir", value, flag: "--data-dir" });
    }
    Ok(load(Environment::real(), global.config.as_deref(), overrides)?)
}

/// Threads for work that blocks: each holds memory of its own, and the recorder bounds how many it
/// needs at once (see `Recorder::with_hashes` for the one place where one waits for another).
const BLOCKING_THREADS: usize = 32;

/// As many workers as cores; blocking work has threads of its own.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .thread_name("exhibit")
        .build()
        .context("the runtime cannot be started")
}
