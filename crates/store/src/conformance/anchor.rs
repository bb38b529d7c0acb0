//! Anchors of the installation's log.

use exhibit_model::Nanos;

use super::Subject;
use crate::{
    Anchor,
    AnchorKind::{self, Stamped, Witnessed},
};

fn anchor(kind: AnchorKind, size: u64, name: &str, note: &str) -> Anchor {
    let (name, note) = (name.to_owned(), note.to_owned());
    Anchor { kind, size, name, note, token: vec![1, 2], kept: Nanos(7) }
}

/// What others said is found by size, and said again it replaces what was said before.
pub async fn anchors_are_found_by_size(subject: Subject) {
    let store = &subject.store;
    assert_eq!(store.latest_anchor(Witnessed).await.unwrap(), None);
    for (kind, size, name, note) in [
        (Witnessed, 9, "", "nine"),
        (Witnessed, 4, "", "four"),
        (Witnessed, 4, "", "four again"),
        (Stamped, 5, "b", "five"),
        (Stamped, 5, "a", "five"),
    ] {
        store.put_anchor(anchor(kind, size, name, note)).await.unwrap();
    }
    let found = store.anchors(Witnessed, 0, 10).await.unwrap();
    let notes: Vec<&str> = found.iter().map(|a| &*a.note).collect();
    assert_eq!(notes, ["four again", "nine"]);
    assert_eq!(store.anchors(Witnessed, 5, 10).await.unwrap().len(), 1);
    assert_eq!(store.anchors(Witnessed, 0, 1).await.unwrap()[0].size, 4);
    let latest = store.latest_anchor(Witnessed).await.unwrap().unwrap();
    assert_eq!(latest, anchor(Witnessed, 9, "", "nine"));
    let stamped = store.anchors(Stamped, 0, 10).await.unwrap();
    assert_eq!(stamped.iter().map(|a| &*a.name).collect::<Vec<_>>(), ["a", "b"]);
}
