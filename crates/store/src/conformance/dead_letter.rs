//! Refused entries: kept newest first, bounded, each workspace its own.

use exhibit_model::{Nanos, WorkspaceId};

use super::Subject;
use crate::DeadLetter;

fn letter(number: u64) -> DeadLetter {
    DeadLetter {
        id: String::new(),
        received: Nanos(i64::try_from(number).unwrap()),
        door: "native".into(),
        index: Some(number),
        pointer: format!("/batch/{number}"),
        reason: "must be text".into(),
        trace_id: Some("t".into()),
        span_id: None,
        body: Some(format!("{{\"n\":{number}}}")),
        cut: false,
        bytes: number,
        digest: [7; 16],
    }
}

/// Letters read back newest first, page by page.
pub async fn letters_read_back_newest_first(subject: Subject) {
    let (store, workspace) = (&subject.store, WorkspaceId(1));
    store.bury(workspace, (0..5).map(letter).collect(), 100).await.unwrap();
    let first = store.dead_letters(workspace, None, 3).await.unwrap();
    let rest = store.dead_letters(workspace, first.next.clone(), 3).await.unwrap();
    let all: Vec<_> = first.rows.iter().chain(&rest.rows).collect();
    assert_eq!(all.iter().map(|l| l.bytes).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
    assert!(rest.next.is_none());
    let expected = DeadLetter { id: all[0].id.clone(), ..letter(4) };
    assert_eq!(*all[0], expected);
}

/// The oldest letters give way.
pub async fn the_oldest_letters_give_way(subject: Subject) {
    let (store, workspace) = (&subject.store, WorkspaceId(1));
    store.bury(workspace, (0..4).map(letter).collect(), 3).await.unwrap();
    store.bury(workspace, vec![letter(4)], 3).await.unwrap();
    let page = store.dead_letters(workspace, None, 10).await.unwrap();
    assert_eq!(page.rows.iter().map(|l| l.bytes).collect::<Vec<_>>(), [4, 3, 2]);
}

/// A workspace sees and clears only its own letters.
pub async fn letters_belong_to_their_workspace(subject: Subject) {
    let (store, mine, theirs) = (&subject.store, WorkspaceId(1), WorkspaceId(2));
    store.bury(mine, vec![letter(1)], 10).await.unwrap();
    store.bury(theirs, vec![letter(2), letter(3)], 10).await.unwrap();
    assert_eq!(store.clear_dead_letters(mine).await.unwrap(), 1);
    assert!(store.dead_letters(mine, None, 10).await.unwrap().rows.is_empty());
    assert_eq!(store.dead_letters(theirs, None, 10).await.unwrap().rows.len(), 2);
    assert!(store.dead_letters(theirs, Some("x".into()), 10).await.is_err());
}
