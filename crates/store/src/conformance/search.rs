//! Full-text search: any language, any spelling that people take for equal.

use exhibit_model::{Attribute, Part, Span};

use super::{
    Subject,
    fixture::{Tenant, Tweak, call, span, trace_id},
};
use crate::Findable;

fn saying(trace: &str, text: &str) -> Span {
    call(trace, "a", 0, 1).with(|s| {
        let mut attribute = Attribute::new("input", text);
        attribute.part = Part::Input;
        s.attributes.push(attribute);
    })
}

async fn settled(tenant: &Tenant, filter: &str) -> Vec<String> {
    tenant.store.search_settled().await.unwrap();
    let mut found = tenant.find(filter).await;
    found.sort();
    found
}

pub async fn words_are_found_in_any_language_and_spelling(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let texts = [
        ("en", "The quick brown fox — jumped over tool_call-42."),
        ("fr", "Le Café crème brûlée, à côté"),
        ("de", "Größe und Maß in Zürich"),
        ("zh", "人工智能是计算机科学的一个分支。"),
        ("ja", "彼は東京都に住んでいます。ベクトル検索とサーバー"),
        ("ko", "인공지능 모델을 학습합니다"),
        ("ru", "Ошибка соединения с сервером"),
        ("el", "ΟΔΟΣ Αθηνών"),
        ("ar", "خطأ في الاتصال بالخادم"),
        ("hi", "हिन्दी में उत्तर दें"),
        ("th", "ภาษาไทยไม่มีช่องว่าง"),
        ("wide", "ＦＵＬＬＷＩＤＴＨ text"),
        ("emoji", "launch 🚀 now"),
    ];
    tenant.put(&texts.map(|(trace, text)| saying(trace, text))).await;
    for (filter, found) in [
        ("fox", "en"),
        ("FOX", "en"),
        ("tool_call-42", "en"),
        ("42", "en"),
        ("café", "fr"),
        ("CAFÉ", "fr"),
        ("cafe", "fr"),
        ("cafe\u{301}", "fr"),
        ("brulee", "fr"),
        ("größe", "de"),
        ("zurich", "de"),
        ("ZÜRICH", "de"),
        ("人工智能", "zh"),
        ("智能", "zh"),
        ("科学", "zh"),
        ("分支", "zh"),
        ("\"计算机科学\"", "zh"),
        ("東京", "ja"),
        ("京都", "ja"),
        ("検索", "ja"),
        ("ベクトル", "ja"),
        ("サーバー", "ja"),
        ("인공지능", "ko"),
        ("ошибка", "ru"),
        ("СЕРВЕРОМ", "ru"),
        ("οδος", "el"),
        ("αθηνων", "el"),
        ("الاتصال", "ar"),
        ("हिन्दी", "hi"),
        ("ไทย", "th"),
        ("fullwidth", "wide"),
        ("launch", "emoji"),
        ("quick fox", "en"),
        ("\"quick brown\"", "en"),
    ] {
        assert_eq!(settled(&tenant, filter).await, [found], "{filter}");
    }
    for filter in ["fo", "大阪", "能智", "quick zürich", "\"fox café\"", "serverom", "か"] {
        assert_eq!(settled(&tenant, filter).await, Vec::<String>::new(), "{filter}");
    }
}

pub async fn a_trace_is_found_by_the_text_of_every_batch(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    tenant.put(&[saying("t", "alpha")]).await;
    tenant.put(&[saying("t", "beta").with(|s| s.span_id = super::fixture::span_id("b"))]).await;
    tenant.put(&[saying("u", "beta")]).await;
    assert_eq!(settled(&tenant, "alpha").await, ["t"]);
    assert_eq!(settled(&tenant, "beta").await, ["t", "u"]);
    assert_eq!(settled(&tenant, "alpha beta").await, ["t"], "terms may stand in different spans");
    assert_eq!(settled(&tenant, "beta not alpha").await, ["u"]);
    assert_eq!(settled(&tenant, "not alpha").await, ["u"]);
    assert_eq!(settled(&tenant, "alpha or id = u").await, ["t", "u"]);
}

pub async fn text_that_is_not_handed_over_is_not_found(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut batch = tenant.batch(&[saying("t", "quarantined words")]).await;
    batch.traces[0].text.clear();
    tenant.commit(batch).await.unwrap();
    assert!(settled(&tenant, "quarantined").await.is_empty());
    assert_eq!(settled(&tenant, "id = t").await, ["t"]);
}

pub async fn an_audit_names_traces_that_cannot_be_found(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut batch = tenant.batch(&[saying("lost", "alpha beta")]).await;
    batch.traces[0].text.clear();
    tenant.commit(batch).await.unwrap();
    tenant.put(&[saying("kept", "alpha 東京 gamma"), span("plain", "a", 0)]).await;
    tenant.store.search_settled().await.unwrap();
    let asked = [
        ("kept", "gamma alpha\n東京", true),
        ("lost", "alpha beta", true),
        ("plain", "", true),
        ("kept", "delta", false),
    ]
    .map(|(trace, text, settled)| Findable {
        trace: trace_id(trace),
        text: text.to_owned(),
        settled,
    });
    let missing = tenant.store.audit_search(tenant.workspace, &asked).await.unwrap();
    assert_eq!(missing, [trace_id("lost"), trace_id("kept")]);
}

pub async fn long_text_is_found_to_its_end(subject: Subject) {
    let tenant = Tenant::open(subject).await;
    let mut text = "filler words all the way ".repeat(40_000);
    text.push_str("needle");
    tenant.put(&[saying("t", &text)]).await;
    assert_eq!(settled(&tenant, "needle").await, ["t"]);
}
