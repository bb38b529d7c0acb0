//! Logs: leaves, hashes, heads, publishing, checkpoints.

use exhibit_model::Nanos;

use super::{
    Subject,
    fixture::{Tenant, at, leaf, span},
    oracle,
};
use crate::{LogId, StoredCheckpoint};

pub async fn a_log_without_leaves_has_the_empty_root(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let head = tenant.store.head(LogId::Installation).await.unwrap();
    assert_eq!((head.log, head.size), (LogId::Installation, 0));
    assert_eq!(head.root, oracle::root(&[]));
    assert!(tenant.store.leaves(LogId::Installation, 0, 10).await.unwrap().is_empty());
    assert!(tenant.store.hashes(LogId::Installation, 0, 0, 10).await.unwrap().is_empty());
}

pub async fn leaves_hashes_and_roots_are_those_of_rfc_6962(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let log = tenant.log();
    let mut hashes: Vec<[u8; 32]> = Vec::new();
    for count in [1, 1, 1, 3, 7, 240, 2, 1, 300] {
        tenant.put_acts(count).await;
        let head = tenant.store.head(log).await.unwrap();
        let leaves = tenant.store.leaves(log, 0, head.size).await.unwrap();
        assert_eq!(leaves.len() as u64, head.size);
        let all: Vec<_> = leaves.iter().map(|bytes| oracle::leaf_hash(bytes)).collect();
        assert!(all.starts_with(&hashes), "a log is append-only");
        assert_eq!(head.root, oracle::root(&all), "root at {}", head.size);
        assert_eq!(tenant.store.hashes(log, 0, 0, head.size).await.unwrap(), all);
        hashes = all;
    }
    let full: Vec<_> = hashes.chunks_exact(256).map(oracle::root).collect();
    assert_eq!(full.len(), 2);
    assert_eq!(tenant.store.hashes(log, 1, 0, 10).await.unwrap(), full);
    assert_eq!(tenant.store.hashes(log, 1, 1, 2).await.unwrap(), full[1..]);
    for (level, from, to) in [(2, 0, 1), (7, 0, 1), (1, 2, 9), (255, 0, u64::MAX)] {
        let none = tenant.store.hashes(log, level, from, to).await.unwrap();
        assert!(none.is_empty(), "level {level} from {from}");
    }
}

pub async fn ranges_beyond_the_log_give_what_there_is(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put_acts(5).await;
    let size = tenant.log_size().await;
    let all = tenant.store.leaves(tenant.log(), 0, size).await.unwrap();
    for (from, to) in [(2, 4), (0, u64::MAX), (size, size + 1), (4, 2), (u64::MAX, u64::MAX)] {
        let end = to.min(size) as usize;
        let expected = all.get(from.min(size) as usize..end).unwrap_or_default();
        assert_eq!(tenant.store.leaves(tenant.log(), from, to).await.unwrap(), expected);
        let hashes: Vec<_> = expected.iter().map(|bytes| oracle::leaf_hash(bytes)).collect();
        assert_eq!(tenant.store.hashes(tenant.log(), 0, from, to).await.unwrap(), hashes);
    }
}

pub async fn workspaces_have_logs_of_their_own(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let other = tenant.another().await;
    let (mine, theirs) = (tenant.log_size().await, other.log_size().await);
    tenant.put(&[span("t", "a", 0)]).await;
    other.put_acts(3).await;
    assert_eq!((tenant.log_size().await, other.log_size().await), (mine + 1, theirs + 3));
    let roots = [tenant.log(), other.log()];
    let a = tenant.store.head(roots[0]).await.unwrap();
    let b = tenant.store.head(roots[1]).await.unwrap();
    assert_ne!(a.root, b.root);
}

pub async fn heads_are_unpublished_until_they_are_published(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let other = tenant.another().await;
    tenant.put_acts(2).await;
    let mut heads = tenant.store.unpublished().await.unwrap();
    heads.sort_by_key(|head| head.log);
    let mut expected = Vec::new();
    for log in [tenant.log(), other.log()] {
        expected.push(tenant.store.head(log).await.unwrap());
    }
    expected.sort_by_key(|head| head.log);
    assert_eq!(heads, expected);

    // A head that has grown since it was read stays unpublished.
    tenant.put_acts(1).await;
    let leaves = vec![leaf("head one"), leaf("head two")];
    let installation = tenant.store.publish(&heads, leaves.clone()).await.unwrap();
    assert_eq!((installation.log, installation.size), (LogId::Installation, 2));
    assert_eq!(installation.root, oracle::root(&[leaves[0].hash, leaves[1].hash]));
    assert_eq!(tenant.store.head(LogId::Installation).await.unwrap(), installation);
    let stored = tenant.store.leaves(LogId::Installation, 0, 9).await.unwrap();
    assert_eq!(stored, leaves.iter().map(|l| l.bytes.clone()).collect::<Vec<_>>());
    let left = tenant.store.unpublished().await.unwrap();
    assert_eq!(left, [tenant.store.head(tenant.log()).await.unwrap()]);

    let after = tenant.store.publish(&left, vec![leaf("head three")]).await.unwrap();
    assert_eq!(after.size, 3);
    assert!(tenant.store.unpublished().await.unwrap().is_empty());
    let alone = tenant.store.publish(&[], vec![leaf("act")]).await.unwrap();
    assert_eq!(alone.size, 4, "acts of the installation need no head");
}

pub async fn the_latest_checkpoint_of_each_log_is_kept(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put_acts(4).await;
    assert_eq!(tenant.store.checkpoint(tenant.log()).await.unwrap(), None);
    let checkpoint = |log, size: u64, signed: Nanos| StoredCheckpoint {
        log,
        size,
        root: [size as u8; 32],
        note: format!("origin\n{size}\n\n— name sig\n"),
        signed,
    };
    for size in 1..=3 {
        let signed = at(size as i64);
        for log in [LogId::Installation, tenant.log()] {
            tenant.store.put_checkpoint(checkpoint(log, size, signed)).await.unwrap();
            let latest = tenant.store.checkpoint(log).await.unwrap();
            assert_eq!(latest, Some(checkpoint(log, size, signed)));
        }
    }
    // The same size signed again, as after a rotation of keys.
    let again = checkpoint(tenant.log(), 3, at(60));
    tenant.store.put_checkpoint(again.clone()).await.unwrap();
    assert_eq!(tenant.store.checkpoint(tenant.log()).await.unwrap(), Some(again));
    let foreign = tenant.another().await;
    assert_eq!(tenant.store.checkpoint(foreign.log()).await.unwrap(), None);
}
