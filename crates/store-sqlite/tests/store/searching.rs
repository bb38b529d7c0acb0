//! The text index beside the store: rebuilt, caught up, switched off.

use exhibit_model::{Attribute, Part, Span, finding::Action};
use exhibit_store::{
    Filter, Order, SpanStore, StoreError, TraceQuery,
    conformance::fixture::{START, Tweak, call},
};
use exhibit_store_sqlite::{Options, SqliteStore};

use crate::batches::{Builder, WORKSPACE, open, verify};

fn saying(trace: &str, text: &str) -> Span {
    call(trace, "a", 0, 1).with(|s| {
        let mut attribute = Attribute::new("input", text);
        attribute.part = Part::Input;
        s.attributes.push(attribute);
    })
}

async fn find(store: &SqliteStore, filter: &str) -> Result<Vec<String>, StoreError> {
    let filter = Filter::parse(filter, START).unwrap();
    let query = TraceQuery { filter, order: Order::Newest, after: None, limit: 100 };
    let page = store.traces(WORKSPACE, &query).await?;
    let mut ids: Vec<_> = page.rows.iter().map(|row| row.summary.trace_id.to_string()).collect();
    ids.sort();
    Ok(ids)
}

async fn settled(store: &SqliteStore, filter: &str) -> Vec<String> {
    store.search_settled().await.unwrap();
    find(store, filter).await.unwrap()
}

#[tokio::test]
async fn a_missing_or_damaged_index_is_made_anew_without_what_is_quarantined() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(1);
    let secret = saying("q", "hidden words").with(|s| s.decision.add(Action::Quarantine));
    let store = open(dir.path());
    store.commit(builder.batch(&[saying("t", "alpha beta"), secret])).await.unwrap();
    store.commit(builder.batch(&[saying("u", "beta 東京都")])).await.unwrap();
    assert_eq!(settled(&store, "beta").await, ["t", "u"]);
    drop(store);

    let search = dir.path().join("search");
    std::fs::remove_dir_all(&search).unwrap();
    let store = open(dir.path());
    assert_eq!(settled(&store, "beta").await, ["t", "u"]);
    assert_eq!(settled(&store, "京都").await, ["u"]);
    assert!(settled(&store, "hidden").await.is_empty());
    drop(store);

    std::fs::write(search.join("meta.json"), "{").unwrap();
    let store = open(dir.path());
    assert_eq!(settled(&store, "alpha").await, ["t"]);
    verify(&store).await;
}

#[tokio::test]
async fn a_store_opens_over_any_damage_to_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut builder = Builder::new(4);
    for n in 0..8 {
        store.commit(builder.batch(&[saying(&format!("t{n}"), "alpha beta")])).await.unwrap();
    }
    assert_eq!(settled(&store, "alpha").await.len(), 8);
    drop(store);
    let search = dir.path().join("search");
    let kept: Vec<_> = std::fs::read_dir(&search)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    let mut flips = 0;
    for (path, bytes) in &kept {
        for place in [0, 1, 2, 3].map(|part| bytes.len().saturating_sub(1) * part / 3) {
            std::fs::remove_dir_all(&search).unwrap();
            std::fs::create_dir(&search).unwrap();
            kept.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
            let mut flipped = bytes.clone();
            let Some(byte) = flipped.get_mut(place) else { continue };
            *byte ^= 0x41;
            std::fs::write(path, flipped).unwrap();
            flips += 1;
            let reading = SqliteStore::open_read_only(dir.path(), Options::default()).unwrap();
            // What a word's own bytes hold is not looked at before it is asked for.
            find(&reading, "alpha").await.ok();
            drop(reading);
            let store = open(dir.path());
            find(&store, "alpha").await.ok();
            assert_eq!(find(&store, "").await.unwrap().len(), 8, "{}", path.display());
        }
    }
    assert!(flips > 20, "{flips}");
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_read_from_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { index_queue_bytes_max: 200, ..Options::default() };
    let store = SqliteStore::open(dir.path(), options).unwrap();
    let mut builder = Builder::new(2);
    for n in 0..50 {
        let long = format!("needle{n} {}", "straw ".repeat(100));
        store.commit(builder.batch(&[saying(&format!("t{n}"), &long)])).await.unwrap();
    }
    assert_eq!(settled(&store, "needle0").await, ["t0"]);
    assert_eq!(settled(&store, "needle49").await, ["t49"]);
    assert_eq!(settled(&store, "straw").await.len(), 50);
}

#[tokio::test]
async fn text_is_found_without_asking_within_two_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(Builder::new(3).batch(&[saying("t", "alpha")])).await.unwrap();
    let begun = std::time::Instant::now();
    while find(&store, "alpha").await.unwrap().is_empty() {
        assert!(begun.elapsed().as_secs() < 20, "it is never found");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn without_an_index_text_is_refused_and_everything_else_works() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { search: false, ..Options::default() };
    let store = SqliteStore::open(dir.path(), options).unwrap();
    store.commit(Builder::new(4).batch(&[saying("t", "alpha")])).await.unwrap();
    assert!(matches!(find(&store, "alpha").await, Err(StoreError::Unsupported(_))));
    assert_eq!(find(&store, "model = gpt-4o").await.unwrap(), ["t"]);
    store.search_settled().await.unwrap();
    drop(store);
    // Switched on later, it finds what came before.
    let store = open(dir.path());
    assert_eq!(settled(&store, "alpha").await, ["t"]);
}
