//! The contract, case by case.

use exhibit_model::Limits;
use exhibit_store::conformance::Subject;
use exhibit_store_sqlite::{Options, SqliteStore};

async fn subject(limits: Limits) -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), Options::of(&limits)).unwrap();
    Subject::with_guard(store, dir)
}

exhibit_store::store_conformance!(subject);
