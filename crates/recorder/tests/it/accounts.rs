use exhibit_model::{Nanos, Scope, Scopes};
use exhibit_recorder::{Caller, Error, KeyPrefix, KeyRefusal, NewKey, Who};

use crate::house::House;

fn local(house: &House) -> Caller {
    Caller {
        workspace: house.workspace,
        workspace_public: "default".into(),
        scopes: Scopes::all(),
        who: Who::Local,
    }
}

fn ingest_key(house: &House, expires: Option<Nanos>) -> NewKey {
    NewKey {
        workspace: house.workspace,
        name: "agent".into(),
        scopes: [Scope::Ingest].into_iter().collect(),
        expires,
        prefix: KeyPrefix::SkAt,
    }
}

#[tokio::test]
async fn a_key_opens_until_it_is_revoked_or_expires() {
    let house = House::new().await;
    let by = local(&house);
    let (secret, key) = house.recorder.create_key(&by, ingest_key(&house, None)).await.unwrap();
    assert!(secret.starts_with("sk-at-"));
    let caller = house.recorder.key_caller(&secret).await.unwrap();
    assert!(caller.scopes.has(Scope::Ingest) && !caller.scopes.has(Scope::Read));

    let wrong = secret.replace("sk-at-", "exk_");
    assert!(matches!(house.recorder.key_caller(&wrong).await, Err(KeyRefusal::Malformed)));

    assert!(house.recorder.revoke_key(house.workspace, &key.id).await.unwrap());
    assert!(matches!(house.recorder.key_caller(&secret).await, Err(KeyRefusal::Revoked)));

    let end = Nanos(house.recorder.now().0 + 1_000_000_000);
    let (secret, _) = house.recorder.create_key(&by, ingest_key(&house, Some(end))).await.unwrap();
    assert!(house.recorder.key_caller(&secret).await.is_ok());
    house.turn(2);
    assert!(matches!(house.recorder.key_caller(&secret).await, Err(KeyRefusal::Expired)));
}

#[tokio::test]
async fn nobody_gives_a_scope_they_do_not_have() {
    let house = House::new().await;
    let mut by = local(&house);
    by.scopes = [Scope::Ingest].into_iter().collect();
    let mut key = ingest_key(&house, None);
    key.scopes = Scopes::all();
    let refused = house.recorder.create_key(&by, key).await;
    assert!(matches!(refused, Err(Error::Invalid { field: "scopes", .. })));
}

#[tokio::test]
async fn the_setup_link_works_once_and_makes_an_admin_of_default() {
    let house = House::new().await;
    let token = house.recorder.setup_token().await.unwrap().unwrap();
    let claim = |token: String, email: &'static str| {
        let recorder = house.recorder.clone();
        async move { recorder.claim_setup(&token, email, "a long enough one", None).await }
    };
    assert!(matches!(claim("wrong".into(), "a@b.c").await, Err(Error::Unauthorized)));
    let login = claim(token.clone(), "a@b.c").await.unwrap();
    assert!(login.members.iter().any(|m| m.workspace.public_id == "default"));
    assert!(matches!(claim(token, "c@d.e").await, Err(Error::Unauthorized)));
    assert_eq!(house.recorder.setup_token().await.unwrap(), None);
}

#[tokio::test]
async fn a_login_sees_its_own_workspaces_and_no_other() {
    let house = House::new().await;
    house.recorder.register("a@b.c", "a long enough one", None).await.unwrap();
    assert!(matches!(
        house.recorder.register("A@b.c", "a long enough one", None).await,
        Err(Error::Taken(_))
    ));
    assert!(matches!(house.recorder.login("a@b.c", "wrong").await, Err(Error::Unauthorized)));
    let (token, _) = house.recorder.login("a@b.c", "a long enough one").await.unwrap();
    let caller = house.recorder.session_caller(&token.0, None).await.unwrap().unwrap();
    assert_ne!(caller.workspace, house.workspace);
    assert!(house.recorder.session_caller(&token.0, Some("default")).await.unwrap().is_none());
    house.recorder.logout(&token.0).await.unwrap();
    assert!(house.recorder.session_caller(&token.0, None).await.unwrap().is_none());
}
