//! `exhibit migrate`: an installation carried over from a data directory to a cluster, or back.

#[cfg(feature = "cluster")]
mod carrying;

use std::path::PathBuf;

use crate::{
    args::MigrateArgs,
    config::Loaded,
    failure::{Exit, Failure},
    output::Output,
};

/// The word that stands for the cluster.
const CLUSTER: &str = "cluster";

/// Which way.
#[cfg_attr(
    not(feature = "cluster"),
    allow(dead_code, reason = "refused without the cluster store")
)]
enum Way {
    /// From a data directory to the cluster.
    Up(PathBuf),
    /// From the cluster to a data directory.
    Down(PathBuf),
}

impl Way {
    fn of(args: &MigrateArgs, loaded: &Loaded) -> Result<Self, Failure> {
        let dir = |text: &str| loaded.environment.cwd.join(text);
        match (args.from.as_str(), args.to.as_str()) {
            (CLUSTER, CLUSTER) => Err(Failure::usage("both ends are the cluster").hint(
                "move between clusters with the databases' own tools, or through a directory",
            )),
            (from, CLUSTER) => Ok(Self::Up(dir(from))),
            (CLUSTER, to) => Ok(Self::Down(dir(to))),
            _ => Err(Failure::usage("neither end is the cluster")
                .hint("copy a data directory with `exhibit backup` and `exhibit restore`")),
        }
    }
}

/// Runs the command.
pub(crate) async fn run(
    args: &MigrateArgs,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let way = Way::of(args, loaded)?;
    let encrypted = crate::encryption::slots_path(&loaded.config.data_dir).exists();
    if encrypted || loaded.config.archive.to.is_some() {
        let message = "payloads that are encrypted or archived are not moved from store to store";
        return Err(Failure::usage(message)
            .hint("keep this installation to read them, and start a new one in the other store")
            .into());
    }
    carry(way, args.once, loaded, output).await
}

#[cfg(feature = "cluster")]
use carrying::carry;

#[cfg(not(feature = "cluster"))]
#[allow(clippy::unused_async, reason = "with the feature `cluster` it waits for the databases")]
async fn carry(_: Way, _: bool, _: &Loaded, _: Output) -> anyhow::Result<Exit> {
    let message = "this binary was built without the cluster store";
    Err(Failure::usage(message).hint("build it with `make build-cluster`").into())
}
