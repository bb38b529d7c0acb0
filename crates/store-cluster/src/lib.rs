//! The store beyond one machine: PostgreSQL for order and truth, ClickHouse for volume.
//!
//! * **A commit is one PostgreSQL transaction** (module `commit`): it holds the logs, checks what the batches
//!   were built upon, and writes leaves, rows, rollup deltas and payloads. The row lock of a log is its
//!   sequencer, so there is one at any time whatever happens to a node (module `log`).
//! * **Payloads, words, rollup cells and what lists filter by** go on to ClickHouse, by one node at a
//!   time and as often as needed (module `ship`).
//! * **Reads see a commit at once**: what is not shipped yet is put over ClickHouse's answer
//!   (modules `list`, `read`, `cells`).
//!
//! Nodes keep nothing of their own. One of them leads: it ships, and it alone is told what is due
//! (module `lease`). The others learn of its commits, and it of theirs, through PostgreSQL (module `notify`).

mod account;
mod anchor;
mod audit;
mod carry;
mod cells;
mod commit;
mod cursor;
mod dead_letter;
mod erase;
mod failure;
mod filter;
mod lease;
mod list;
mod log;
mod migrate;
mod notify;
mod open;
mod options;
mod read;
mod review;
mod row;
mod sealed;
mod ship;
mod store;
mod tls;
mod trace;

pub use notify::ForeignCommit;
pub use open::OpenError;
pub use options::{Interrupt, Options};
pub use store::ClusterStore;
