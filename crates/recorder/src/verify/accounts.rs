//! Accounts: workspace, members and keys are what the sealed acts of administration made them.

use std::collections::BTreeMap;

use exhibit_ledger::{Leaf, LeafKind};
use exhibit_model::{Review, Role, Workspace};
use exhibit_store::{LogId, ReviewQuery, StoredAct};

use super::{Fault, Verdict, log::Claimed};
use crate::{
    Error, Recorder,
    account::act::{Act, SealedKey, SealedUser},
    retention::is_keeping,
};

/// Acts read at once.
const PAGE: usize = 1_024;

/// What a workspace's acts add up to.
#[derive(Default)]
struct Derived {
    workspace: Option<Workspace>,
    members: BTreeMap<String, (SealedUser, Role)>,
    keys: BTreeMap<String, SealedKey>,
    /// Leaves whose records were taken away.
    erased: Vec<(u64, u64)>,
    reviews: BTreeMap<String, Review>,
}

impl Derived {
    fn apply(&mut self, act: Act) {
        match act {
            Act::WorkspaceCreated { workspace } => self.workspace = Some(workspace),
            Act::AccountCreated { user, workspace } => {
                self.workspace = Some(workspace);
                self.members.insert(user.id.0.clone(), (user, Role::Admin));
            }
            Act::MemberSet { user, role } => {
                self.members.insert(user.id.0.clone(), (user, role));
            }
            Act::KeyCreated { key } => {
                self.keys.insert(key.id.0.clone(), key);
            }
            Act::Erased { erased } => self.erased.extend(erased.leaves),
            // Derived from the acts whenever they are asked for.
            Act::RetentionSet { .. }
            | Act::HoldPlaced { .. }
            | Act::HoldReleased { .. }
            | Act::RuleFileSet { .. }
            | Act::ProviderSet { .. }
            | Act::GapFound { .. }
            | Act::GapFilled { .. } => {}
            Act::KeyRevoked { key, at } => {
                if let Some(key) = self.keys.get_mut(&key.0) {
                    key.revoked = Some(at);
                }
            }
            Act::Reviewed { review } => {
                self.reviews.insert(review.id.clone(), review);
            }
        }
    }
}

impl Recorder {
    /// Reads a workspace's acts, checks them against their leaves, and compares what they add up to
    /// with the accounts as they are shown. Claims their leaves.
    pub(super) async fn check_accounts(
        &self,
        shown: &Workspace,
        claimed: &mut Claimed,
    ) -> Result<Vec<Fault>, Error> {
        let log = LogId::Workspace(shown.id);
        let origin = self.log_origin(log);
        let mut faults = Vec::new();
        let mut fault = |verdict, index, what: String| {
            let mut fault = Fault::new(verdict, what);
            fault.log = Some(origin.clone());
            fault.index = index;
            faults.push(fault);
        };
        let mut derived = Derived::default();
        let mut from = 0;
        loop {
            let page = self.store.audit_acts(shown.id, from, PAGE).await?;
            let Some(last) = page.last() else { break };
            from = last.index.saturating_add(1);
            for act in page {
                let leaf = self.store.leaves(log, act.index, act.index + 1).await?.pop();
                claimed.claim(act.index);
                match self.read_act(&act, leaf.as_deref()) {
                    Some(read) => derived.apply(read),
                    None => fault(
                        Verdict::Altered,
                        Some(act.index),
                        "an act of administration is not the one that was sealed".to_owned(),
                    ),
                }
            }
        }
        for (from, to) in std::mem::take(&mut derived.erased) {
            // Bounded by what a log can have, not by what an act says.
            let size = self.store.head(log).await?.size;
            for index in from..to.min(size) {
                if !claimed.claim(index) {
                    let what = "a record that was erased is there".to_owned();
                    fault(Verdict::Altered, Some(index), what);
                }
            }
        }
        let mut differs = |what: &str| fault(Verdict::Altered, None, what.to_owned());
        let is_shown = |w: &Workspace| Workspace { id: shown.id, ..w.clone() } == *shown;
        if !derived.workspace.as_ref().is_some_and(is_shown) {
            differs("the workspace is not the one that was made");
        }
        let members = self.store.members(shown.id).await?;
        let members: BTreeMap<String, (SealedUser, Role)> = members
            .iter()
            .map(|(user, role)| (user.id.0.clone(), (SealedUser::from(user), *role)))
            .collect();
        if members != derived.members {
            differs("the members of the workspace are not those that were set");
        }
        let keys = self.store.keys(shown.id).await?;
        let keys: BTreeMap<String, SealedKey> =
            keys.iter().map(|key| (key.id.0.clone(), key.into())).collect();
        if keys != derived.keys {
            differs("the keys of the workspace are not those that were made and revoked");
        }
        let mut reviews = BTreeMap::new();
        let mut query = ReviewQuery { limit: PAGE, ..ReviewQuery::default() };
        loop {
            let page = self.store.reviews(shown.id, &query).await?;
            reviews.extend(page.rows.into_iter().map(|review| (review.id.clone(), review)));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        if reviews != derived.reviews {
            differs("the reviews of the workspace are not what reviewers made of them");
        }
        Ok(faults)
    }

    /// An act, if its leaf commits to it.
    pub(crate) fn read_act(&self, act: &StoredAct, leaf: Option<&[u8]>) -> Option<Act> {
        let leaf = Leaf::parse(leaf?).ok()?;
        let is_act = matches!(
            leaf.kind,
            LeafKind::Admin | LeafKind::KeyChange | LeafKind::Review | LeafKind::Gap
        ) || is_keeping(&leaf);
        (is_act && leaf.body_root == Some(self.act_root(&leaf, &act.body)))
            .then(|| serde_json::from_slice(&act.body).ok())
            .flatten()
    }
}
