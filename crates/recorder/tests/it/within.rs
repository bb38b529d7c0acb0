//! Search inside one trace.

use exhibit_model::TraceId;
use exhibit_recorder::{Error, Phrase, SpanHits};
use serde_json::json;

use crate::house::{House, call};

async fn find(house: &House, words: &str) -> Vec<SpanHits> {
    let (trace, phrase) = (TraceId::new("t").unwrap(), Phrase::new(words).unwrap());
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let after_now = after.as_deref();
        let page = house.recorder.search_trace(house.workspace, &trace, &phrase, after_now, true);
        let page = page.await.unwrap().unwrap();
        all.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn what_stands_far_beyond_any_preview_is_found_with_its_place() {
    let house = House::new().await;
    let mut long = call("t", "long");
    long["output"] = json!({"response": format!("{}The Ñandú ran.", "é ".repeat(600_000))});
    house.send(json!([call("t", "short"), long])).await;
    let found = find(&house, "ñandu\u{301} RAN").await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].span_id.as_str(), found[0].count), ("long", 1));
    let hit = &found[0].hits[0];
    assert_eq!((hit.start, hit.end), (1_200_004, 1_200_013));
    assert_eq!(hit.part.as_str(), "output");
    assert!(hit.excerpt.ends_with("The Ñandú ran."));
    assert_eq!(find(&house, "transformer").await.len(), 2, "each span, in order of start");
    assert!(find(&house, "nowhere at all").await.is_empty());
    assert!(find(&house, "exhibit.output").await.is_empty(), "a name that the client did not give");
}

#[tokio::test]
async fn a_search_through_much_goes_on_from_page_to_page() {
    let house = House::new().await;
    let spans: Vec<_> = (0..2_500).map(|n| call("t", &format!("s{n:04}"))).collect();
    for some in spans.chunks(500) {
        house.send(json!(some)).await;
    }
    let found = find(&house, "TRANSFORMER?").await;
    let ids: std::collections::BTreeSet<_> = found.iter().map(|f| f.span_id.clone()).collect();
    assert_eq!((found.len(), ids.len()), (2_500, 2_500), "each once");
    let (trace, phrase) = (TraceId::new("t").unwrap(), Phrase::new("a").unwrap());
    for cursor in ["x", "1", "-1."] {
        let refused =
            house.recorder.search_trace(house.workspace, &trace, &phrase, Some(cursor), true).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "cursor", .. })), "{cursor}");
    }
    let other = TraceId::new("nothing").unwrap();
    let none = house.recorder.search_trace(house.workspace, &other, &phrase, None, true).await;
    assert!(none.unwrap().is_none());
}
