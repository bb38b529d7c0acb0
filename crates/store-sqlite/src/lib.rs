//! The embedded store: one directory, one SQLite writer with group commit, readers beside it, and a
//! full-text index.
//!
//! [`SqliteStore`] keeps the whole contract of [`exhibit_store`]. The way of a batch: [`commit`]
//! queues it, the writer thread puts whatever waits into one transaction, and the answer is sent
//! when that is on disk. Reads go to a few connections of their own and never wait for the writer.
//!
//! * `writer`: the one thread that writes; `writer/batch.rs` is the place to start reading.
//! * `read`, `ledger`, `account`, `audit`: the traits of the contract.
//! * `query`: from filters to plans. `search`: the text index. `row`, `rollup`: stored forms.
//! * `migrations/`: the schema, with what each table is for.
//!
//! It knows nothing of HTTP, rules or keys; payloads and wrapped keys are bytes to it. Sealed payloads are
//! opened by whoever sealed them ([`exhibit_store::Unsealer`]); `slots` keeps keys and opens none.
//!
//! [`commit`]: exhibit_store::SpanStore::commit

mod account;
mod anchor;
mod archive;
mod audit;
mod backup;
mod carry;
mod cursor;
mod dead_letter;
mod encrypt;
mod erase;
mod failure;
mod ledger;
mod lock;
mod migrate;
mod open;
mod options;
mod pool;
mod query;
mod read;
mod review;
mod rollup;
mod row;
mod search;
mod slots;
mod varint;
mod writer;

pub use backup::BackupProgress;
pub use open::SqliteStore;
pub use options::{Options, PayloadSources};
pub use slots::SlotFile;
