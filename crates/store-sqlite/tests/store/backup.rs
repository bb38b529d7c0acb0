//! Online backups.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use exhibit_store::{
    LedgerStore, LogId, SpanStore, StoreError,
    conformance::fixture::{call, span},
};
use exhibit_store_sqlite::SqliteStore;

use crate::batches::{Builder, WORKSPACE, open, verify};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_whole_and_opens() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    let mut builder = Builder::new(1);
    for n in 0..30 {
        let spans: Vec<_> =
            (0..40).map(|m| call(&format!("t{n}"), &format!("s{m}"), m, 5)).collect();
        store.commit(builder.batch(&spans)).await.unwrap();
    }
    let size_before = store.head(LogId::Workspace(WORKSPACE)).await.unwrap().size;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return n;
                }
                let batch = builder.batch(&[call(&format!("l{n}"), "a", n, 5)]);
                store.commit(batch).await.unwrap();
            }
            0
        }
    });
    let target = dir.path().join("copies/one");
    let seen = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&seen);
    store
        .backup(&target, move |progress| {
            assert!(progress.done <= progress.total);
            told.store(progress.done, Ordering::Relaxed);
        })
        .await
        .unwrap();
    stop.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0, "commits went on");
    assert!(seen.load(Ordering::Relaxed) > 0);
    SqliteStore::verify_backup(&target).unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(&target).unwrap().map(|f| f.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files[0], "exhibit.db");

    let restored = open(&target);
    let size = restored.head(LogId::Workspace(WORKSPACE)).await.unwrap().size;
    assert!(size >= size_before);
    verify(&restored).await;
    verify(&store).await;
}

#[tokio::test]
async fn a_backup_never_overwrites_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(Builder::new(2).batch(&[span("t", "a", 0)])).await.unwrap();
    let target = dir.path().join("copy");
    store.backup(&target, |_| {}).await.unwrap();
    let before = std::fs::read(target.join("exhibit.db")).unwrap();
    let refused = store.backup(&target, |_| {}).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))));
    assert_eq!(std::fs::read(target.join("exhibit.db")).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_backup_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut builder = Builder::new(3);
    for n in 0..50 {
        store.commit(builder.batch(&[call(&format!("t{n}"), "a", n, 5)])).await.unwrap();
    }
    let target = dir.path().join("copy");
    store.backup(&target, |_| {}).await.unwrap();
    let path = target.join("exhibit.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    assert!(SqliteStore::verify_backup(&target).is_err());
}
