//! `exhibit keys`, `backup`, `restore`, `config` and the pages about the program itself.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print it; it cannot be shown again
    Create(KeysCreate),
    /// List the keys of a workspace
    List(KeysList),
    /// Revoke a key
    Revoke(KeysRevoke),
    /// Put a new key in the place of the one that signs checkpoints; no server may be running
    RotateSigning(KeysRotateSigning),
    /// Make a master key for encrypted payloads and write it to a file
    MakeMaster(KeysMakeMaster),
    /// Wrap the keys of encrypted payloads by another master key; no server may be running
    RotateMaster(KeysRotateMaster),
    /// Encrypt payloads that were stored before encryption was switched on; no server may be running
    #[command(after_help = "\
Each trace's key is wrapped anew and its payloads are sealed in one step; what is proved of them stays proved.
Previews of payloads and the texts of refused entries are removed. Then the database is written anew, which
needs room for two more of its size for a while: beside it, and where temporary files go (TMPDIR). Broken off
at any moment, the command is run again and goes on. Backups made before hold what they hold.")]
    EncryptStored,
    /// Copy the keys of encrypted payloads, which no backup holds; a server may be running
    CopyPayloadKeys(KeysCopyPayloadKeys),
}

/// Options of `exhibit keys make-master`.
#[derive(Debug, Args)]
pub(crate) struct KeysMakeMaster {
    /// File to write; must not exist
    pub(crate) file: PathBuf,
}

/// Options of `exhibit keys rotate-master`.
#[derive(Debug, Args)]
#[command(after_help = "\
The present master key is taken from the configuration. Every key is wrapped anew in one step: if it is
broken off, the old key is still in force. Change the configuration to the new key afterwards.")]
#[group(required = true, multiple = false)]
#[allow(
    clippy::struct_field_names,
    reason = "the flags are `--new-…`, as against the key in force"
)]
pub(crate) struct KeysRotateMaster {
    /// File with the new key
    #[arg(long, value_name = "FILE")]
    pub(crate) new_file: Option<PathBuf>,
    /// Command that writes the new key
    #[arg(long, value_name = "COMMAND")]
    pub(crate) new_command: Option<String>,
    /// Environment variable that holds the new key
    #[arg(long, value_name = "NAME")]
    pub(crate) new_env: Option<String>,
}

/// Options of `exhibit keys copy-payload-keys`.
#[derive(Debug, Args)]
pub(crate) struct KeysCopyPayloadKeys {
    /// File to write; must not exist
    pub(crate) target: PathBuf,
}

/// Options of `exhibit keys rotate-signing`.
#[derive(Debug, Args)]
#[command(after_help = "\
The change is an entry of the installation's log, signed by both keys: who has pinned the old key goes
on verifying with it. A key that was stolen or lost cannot vouch for its successor; the epoch key does,
the log goes on under a new name, and whoever pinned the old key has to pin the new one.")]
pub(crate) struct KeysRotateSigning {
    /// The present key may be in other hands: start a new epoch
    #[arg(long, conflicts_with = "lost")]
    pub(crate) compromised: bool,
    /// The present key is gone: start a new epoch
    #[arg(long)]
    pub(crate) lost: bool,
    /// File of the epoch key, where it is not in `keys/`
    #[arg(long, value_name = "FILE")]
    pub(crate) epoch_key: Option<PathBuf>,
}

/// Options of `exhibit keys create`.
#[derive(Debug, Args)]
pub(crate) struct KeysCreate {
    /// Name, to know it by later
    #[arg(long)]
    pub(crate) name: String,
    /// What it may do: ingest, read, review, export, admin
    #[arg(long, value_name = "SCOPE,…", default_value = "ingest")]
    pub(crate) scopes: String,
    /// Workspace it opens
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
    /// When it stops working: a duration such as `90d`, or a date
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
    /// How it starts; for clients that look at it
    #[arg(long, value_name = "PREFIX", default_value = "exk")]
    pub(crate) prefix: KeyPrefixArg,
}

/// How a key starts.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyPrefixArg {
    /// `exk_…`
    Exk,
    /// `akt_…`
    Akt,
    /// `sk-at-…`
    SkAt,
}

impl KeyPrefixArg {
    /// The word that APIs use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exk => "exk",
            Self::Akt => "akt",
            Self::SkAt => "sk-at",
        }
    }
}

/// Options of `exhibit keys list`.
#[derive(Debug, Args)]
pub(crate) struct KeysList {
    /// Workspace whose keys to list
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
    /// List revoked and expired keys too
    #[arg(long)]
    pub(crate) all: bool,
}

/// Options of `exhibit keys revoke`.
#[derive(Debug, Args)]
pub(crate) struct KeysRevoke {
    /// Id of the key, `key_…`, as `exhibit keys list` shows it
    pub(crate) id: String,
    /// Workspace it belongs to
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

/// Options of `exhibit backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
A backup holds the database and a manifest, never keys: keep a copy of `keys/` of the data directory
apart from it, without `signing.key` where backups are read by others. The search index is built
again from the database.")]
pub(crate) struct BackupArgs {
    /// Directory to write; must not exist or be empty
    pub(crate) target: PathBuf,
}

/// Options of `exhibit restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
The data directory must not exist or hold nothing but `keys/`. Keys are not in a backup; give them
with --keys unless they are in place already. Restoring a backup that is older than the last signed
checkpoint takes the log back, and whoever kept a later checkpoint will see that it was. With
--new-epoch the log itself says so: it goes on under a new name, and an entry signed by the epoch key
states how much was lost. --accept-rollback says nothing; it is for installations whose epoch key is
lost.")]
pub(crate) struct RestoreArgs {
    /// Directory that `exhibit backup` wrote
    pub(crate) backup: PathBuf,
    /// Directory with the keys of the installation
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
    /// Where the backup is older than the last signed checkpoint, start a new epoch of the log
    #[arg(long)]
    pub(crate) new_epoch: bool,
    /// File of the epoch key, where it is not among the keys
    #[arg(long, value_name = "FILE", requires = "new_epoch")]
    pub(crate) epoch_key: Option<PathBuf>,
    /// Take the log back and say nothing in it: witnesses will contradict
    #[arg(long, conflicts_with = "new_epoch")]
    pub(crate) accept_rollback: bool,
}

/// Commands about the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting
    Show {
        /// Tell where each one comes from
        #[arg(long)]
        origin: bool,
    },
}

/// Options of `exhibit completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell
    pub(crate) shell: Shell,
}

/// Options of `exhibit man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Options of `exhibit reference`.
#[derive(Debug, Args)]
pub(crate) struct ReferenceArgs {
    /// Page
    pub(crate) page: ReferencePage,
}

/// The generated pages of the reference documentation.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ReferencePage {
    /// docs/reference/config.md
    Config,
    /// docs/reference/cli.md
    Cli,
}
