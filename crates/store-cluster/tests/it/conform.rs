//! The contract's suite: once while everything stays in the outbox, once while it is shipped at once.

use std::time::Duration;

use exhibit_model::Limits;
use exhibit_store::{conformance::Subject, memory::MemoryStore};
use exhibit_store_cluster::ClusterStore;

use crate::engines::Databases;

async fn subject(limits: Limits, ship_interval: Duration) -> Subject {
    let Some(databases) = Databases::make().await else {
        // Nothing to run on: the case passes on the reference and says so.
        return Subject::new(MemoryStore::new(limits));
    };
    let mut options = databases.options(limits);
    options.ship_interval = ship_interval;
    let store = ClusterStore::open(options).await.unwrap();
    Subject::with_guard(store, databases)
}

mod unshipped {
    use super::*;

    async fn store(limits: Limits) -> Subject {
        subject(limits, Duration::from_hours(1)).await
    }

    exhibit_store::store_conformance!(store);
}

mod shipped {
    use super::*;

    async fn store(limits: Limits) -> Subject {
        subject(limits, Duration::from_millis(1)).await
    }

    exhibit_store::store_conformance!(store);
}
