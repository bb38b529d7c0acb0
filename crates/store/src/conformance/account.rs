//! Users, workspaces, keys, sessions, settings; every change with its leaf.

use exhibit_model::{
    ApiKey, ApiKeyId, Nanos, Role, Scope, Session, User, UserId, Workspace, WorkspaceId,
};

use super::{
    Subject,
    fixture::{START, Tenant, at},
};
use crate::{LogId, StoreError};

fn user(name: &str) -> User {
    User {
        id: UserId(format!("us_{name}")),
        email: format!("{name}@example.org"),
        display_name: Some(name.to_uppercase()),
        password_hash: "$argon2id$".into(),
        created: START,
    }
}

fn space(public_id: &str) -> Workspace {
    Workspace {
        id: WorkspaceId(424_242),
        public_id: public_id.into(),
        name: format!("{public_id} — räum"),
        created: at(5),
    }
}

pub async fn a_user_has_a_workspace_of_their_own(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let store = &tenant.store;
    assert_eq!(store.user_count().await.unwrap(), 0);
    let act = tenant.admin_act();
    let made = store.create_user(user("ann"), space("ws_ann"), act.clone()).await.unwrap();
    assert_eq!((made.public_id.as_str(), made.created), ("ws_ann", at(5)));
    assert_ne!(made.id, tenant.workspace);
    let log = LogId::Workspace(made.id);
    assert_eq!(store.leaves(log, 0, 9).await.unwrap(), [act.leaf.bytes], "the act is in its log");
    let kept = store.audit_acts(made.id, 0, 9).await.unwrap();
    assert_eq!(kept, [crate::StoredAct { index: 0, body: act.body }]);
    assert!(store.audit_acts(made.id, 1, 9).await.unwrap().is_empty());

    let login = store.user_by_email("ann@example.org").await.unwrap().unwrap();
    assert_eq!(login.user, user("ann"));
    assert_eq!(login.members.len(), 1);
    assert_eq!((&login.members[0].workspace, login.members[0].role), (&made, Role::Admin));
    let by_id = store.user(&user("ann").id).await.unwrap().unwrap();
    assert_eq!((by_id.user, by_id.members), (login.user, login.members));
    assert_eq!(store.members(made.id).await.unwrap(), [(user("ann"), Role::Admin)]);
    assert_eq!(store.user_count().await.unwrap(), 1);
    assert!(store.user_by_email("nobody@example.org").await.unwrap().is_none());
    assert!(store.user(&UserId("us_nobody".into())).await.unwrap().is_none());
}

pub async fn an_address_is_taken_once_and_nothing_is_left_of_the_second(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let store = &tenant.store;
    store.create_user(user("ann"), space("ws_ann"), tenant.admin_act()).await.unwrap();
    let workspaces = store.workspaces().await.unwrap();
    let again = User { id: UserId("us_other".into()), ..user("ann") };
    let refused = store.create_user(again, space("ws_other"), tenant.admin_act()).await;
    assert!(matches!(refused, Err(StoreError::Taken("e-mail"))), "{refused:?}");
    assert_eq!(store.workspaces().await.unwrap(), workspaces);
    assert!(store.workspace("ws_other").await.unwrap().is_none());
    assert_eq!(store.user_count().await.unwrap(), 1);
}

pub async fn a_workspace_is_found_by_both_ids_and_made_once(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let store = &tenant.store;
    let made = store.create_workspace(space("ws_x"), tenant.admin_act()).await.unwrap();
    assert_eq!(made, Workspace { id: made.id, ..space("ws_x") });
    assert_eq!(store.workspace("ws_x").await.unwrap(), Some(made.clone()));
    assert_eq!(store.workspace_by_id(made.id).await.unwrap(), Some(made.clone()));
    assert!(store.workspaces().await.unwrap().contains(&made));
    assert!(store.members(made.id).await.unwrap().is_empty());
    let refused = store.create_workspace(space("ws_x"), tenant.admin_act()).await;
    assert!(matches!(refused, Err(StoreError::Taken("workspace"))), "{refused:?}");
    assert_eq!(store.head(LogId::Workspace(made.id)).await.unwrap().size, 1);
    assert_eq!(store.workspace("WS_X").await.unwrap(), None);
    assert_eq!(store.workspace_by_id(WorkspaceId(987_654)).await.unwrap(), None);
}

pub async fn members_are_added_and_change_roles(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let store = &tenant.store;
    let own = store.create_user(user("ann"), space("ws_ann"), tenant.admin_act()).await.unwrap();
    let size = tenant.log_size().await;
    for (n, role) in [Role::Auditor, Role::Reviewer].into_iter().enumerate() {
        store
            .put_member(tenant.workspace, &user("ann").id, role, tenant.admin_act())
            .await
            .unwrap();
        assert_eq!(store.members(tenant.workspace).await.unwrap(), [(user("ann"), role)]);
        assert_eq!(tenant.log_size().await, size + 1 + n as u64);
    }
    let login = store.user(&user("ann").id).await.unwrap().unwrap();
    let places: Vec<_> = login.members.iter().map(|m| (m.workspace.id, m.role)).collect();
    let expected = [(own.id, Role::Admin), (tenant.workspace, Role::Reviewer)];
    assert_eq!(places, expected, "the personal workspace comes first");
}

fn key(tenant: &Tenant, n: u8) -> ApiKey {
    ApiKey {
        id: ApiKeyId(format!("key_{n}")),
        workspace: tenant.workspace,
        owner: None,
        name: format!("key {n}"),
        prefix: format!("exk_{n}"),
        hash: [n; 32],
        scopes: [Scope::Ingest, Scope::Read].into_iter().collect(),
        created: at(i64::from(n)),
        expires: (n == 2).then(|| at(100)),
        revoked: None,
        last_used: None,
    }
}

pub async fn a_key_lives_from_creation_to_revocation(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let other = tenant.another().await;
    let store = &tenant.store;
    let size = tenant.log_size().await;
    for n in 1..=3 {
        store.create_key(key(&tenant, n), tenant.admin_act()).await.unwrap();
    }
    assert_eq!(tenant.log_size().await, size + 3);
    assert_eq!(store.key_by_hash(&[1; 32]).await.unwrap(), Some(key(&tenant, 1)));
    assert_eq!(store.key_by_hash(&[9; 32]).await.unwrap(), None);
    let keys = store.keys(tenant.workspace).await.unwrap();
    assert_eq!(keys, [3, 2, 1].map(|n| key(&tenant, n)), "newest first");
    assert!(store.keys(other.workspace).await.unwrap().is_empty());

    let revoke = async |workspace, id: &str, seconds| {
        let id = ApiKeyId(id.into());
        store.revoke_key(workspace, &id, at(seconds), tenant.admin_act()).await.unwrap()
    };
    assert!(!revoke(other.workspace, "key_1", 50).await, "not of this workspace");
    assert!(!revoke(tenant.workspace, "key_9", 50).await);
    assert_eq!((tenant.log_size().await, other.log_size().await), (size + 3, 1));
    assert!(revoke(tenant.workspace, "key_1", 50).await);
    assert!(!revoke(tenant.workspace, "key_1", 60).await, "it is revoked already");
    assert_eq!(tenant.log_size().await, size + 4, "one act for one change");
    let revoked = store.key_by_hash(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((revoked.revoked, revoked.is_active(at(55))), (Some(at(50)), false));
    assert_eq!(store.keys(tenant.workspace).await.unwrap().len(), 3, "revoked ones are listed");
    assert!(store.key_by_hash(&[2; 32]).await.unwrap().is_some_and(|k| !k.is_active(at(100))));

    let used = [(ApiKeyId("key_2".into()), at(70)), (ApiKeyId("key_9".into()), at(70))];
    store.touch_keys(&used).await.unwrap();
}

pub async fn a_session_ends_when_it_expires_or_is_deleted(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let store = &tenant.store;
    store.create_user(user("ann"), space("ws_ann"), tenant.admin_act()).await.unwrap();
    for n in 1..=2 {
        let session = Session { hash: [n; 32], user: user("ann").id, expires: at(100) };
        store.create_session(session).await.unwrap();
    }
    let (session, login) = store.session(&[1; 32], at(99)).await.unwrap().unwrap();
    assert_eq!((session.hash, session.expires, login.user), ([1; 32], at(100), user("ann")));
    assert_eq!(login.members.len(), 1);
    for now in [at(100), at(101), Nanos(i64::MAX)] {
        assert!(store.session(&[1; 32], now).await.unwrap().is_none());
    }
    assert!(store.session(&[9; 32], at(0)).await.unwrap().is_none());
    store.delete_session(&[1; 32]).await.unwrap();
    store.delete_session(&[9; 32]).await.unwrap();
    assert!(store.session(&[1; 32], at(0)).await.unwrap().is_none());
    assert!(store.session(&[2; 32], at(0)).await.unwrap().is_some());
}

pub async fn a_setting_changes_only_from_what_was_expected(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let store = &tenant.store;
    let swap = async |expected: Option<&[u8]>, value: Option<&[u8]>| {
        store.swap_setting("setup", expected, value).await.unwrap()
    };
    assert_eq!(store.setting("setup").await.unwrap(), None);
    assert!(!swap(Some(b""), Some(b"x")).await, "absent is not empty");
    assert!(swap(None, None).await);
    assert!(swap(None, Some(b"one\0")).await);
    assert!(!swap(None, Some(b"two")).await);
    assert!(!swap(Some(b"one"), Some(b"two")).await);
    assert_eq!(store.setting("setup").await.unwrap().as_deref(), Some(&b"one\0"[..]));
    assert_eq!(store.setting("other").await.unwrap(), None);
    assert!(swap(Some(b"one\0"), Some(b"")).await);
    assert_eq!(store.setting("setup").await.unwrap(), Some(Vec::new()));
    assert!(swap(Some(b""), None).await);
    assert_eq!(store.setting("setup").await.unwrap(), None);
}
