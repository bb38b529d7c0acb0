//! Pages about the program itself: completions, man pages, OpenAPI, the reference documentation.

use std::fs;

use anyhow::Context as _;
use clap_mangen::Man;

use crate::{
    args::{self, CompletionsArgs, ManArgs, ReferenceArgs, ReferencePage},
    config::reference,
    failure::Exit,
    output::Output,
};

/// Prints shell completions.
pub(crate) fn completions(args: &CompletionsArgs, output: Output) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(None), "exhibit", &mut text);
    output.raw(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

/// Prints the man page, or writes one for every command.
pub(crate) fn man(args: &ManArgs, output: Output) -> anyhow::Result<Exit> {
    let mut command = args::command(None);
    command.build();
    let Some(dir) = &args.dir else {
        let mut text = Vec::new();
        Man::new(command).render(&mut text)?;
        output.raw(&String::from_utf8_lossy(&text))?;
        return Ok(Exit::Done);
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut waiting = vec![("exhibit".to_owned(), command)];
    while let Some((name, command)) = waiting.pop() {
        for inner in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            waiting.push((format!("{name}-{}", inner.get_name()), inner.clone()));
        }
        let mut text = Vec::new();
        Man::new(command).title(name.to_uppercase()).render(&mut text)?;
        let path = dir.join(format!("{name}.1"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Exit::Done)
}

/// Prints the OpenAPI description.
pub(crate) fn openapi(output: Output) -> anyhow::Result<Exit> {
    output.line(exhibit_server::openapi().trim_end())?;
    Ok(Exit::Done)
}

/// Prints a page of the reference documentation.
pub(crate) fn reference(args: &ReferenceArgs, output: Output) -> anyhow::Result<Exit> {
    let page = match args.page {
        ReferencePage::Config => reference::config_page(),
        ReferencePage::Cli => reference::cli_page(args::command(None)),
    };
    output.raw(&page)?;
    Ok(Exit::Done)
}
