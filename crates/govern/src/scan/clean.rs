//! Texts that were looked at and held nothing: agents say the same things again and again, names of models,
//! roles, prompts and the earlier turns of a conversation.
//!
//! Only hashes are kept, under a key that is drawn at start and leaves the process nowhere, so that nobody can
//! make a text that passes for another. What held something is always looked at again: findings need its places.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// Texts that are remembered; half a megabyte of hashes. A new one takes the place of an older.
const SLOTS: usize = 1 << 16;

/// The clean texts of late, by name and text.
pub(super) struct Clean {
    /// SipHash under a random key, by its lowest bits; zero is empty.
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// Where a text stands or would stand.
pub(super) struct Place<'a> {
    slot: &'a AtomicU64,
    hash: u64,
}

impl Clean {
    pub(super) fn new() -> Self {
        let slots = std::iter::repeat_with(|| AtomicU64::new(0)).take(SLOTS).collect();
        Self { slots, hasher: RandomState::new() }
    }

    /// The place of a text under a name, which counts as its context; looked at widely or not.
    pub(super) fn place(&self, text: &str, key: Option<&str>, widely: bool) -> Place<'_> {
        let hash = self.hasher.hash_one((text, key, widely));
        #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are what is wanted")]
        let slot = &self.slots[hash as usize % SLOTS];
        Place { slot, hash: hash.max(1) }
    }
}

impl Place<'_> {
    /// Whether the text is known to hold nothing.
    pub(super) fn is_known(&self) -> bool {
        self.slot.load(Ordering::Relaxed) == self.hash
    }

    /// Notes that it holds nothing.
    pub(super) fn remember(&self) {
        self.slot.store(self.hash, Ordering::Relaxed);
    }
}
