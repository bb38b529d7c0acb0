//! Choosing a provider from the environment and the configuration file.

use crate::protocols::{Protocol, TEXT, test_key};
use crate::scripted_server::ScriptedServer;
use exhibit_provider::{ChatRequest, ConfigError, Provider, ProviderConfig, from_env};

type Chosen = Result<(Box<dyn Provider>, String), ConfigError>;

fn choose(variables: &[(&str, &str)], config: Option<&ProviderConfig>) -> Chosen {
    let lookup = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    from_env(&lookup, config)
}

fn chosen(variables: &[(&str, &str)], config: Option<&ProviderConfig>) -> (String, String, String) {
    let (provider, model) = choose(variables, config).unwrap();
    (provider.name().to_owned(), provider.endpoint().to_owned(), model)
}

fn file(toml_like: serde_json::Value) -> ProviderConfig {
    serde_json::from_value(toml_like).unwrap()
}

#[test]
fn nothing_configured_says_what_to_set() {
    let error = choose(&[("OPENAI_API_KEY", " ")], None).unwrap_err();
    assert_eq!(error, ConfigError::NoProvider);
    for variable in
        ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OLLAMA_HOST", "EXHIBIT_PROVIDER"]
    {
        assert!(error.to_string().contains(variable), "{error}");
    }
}

#[test]
fn each_key_alone_chooses_its_provider() {
    let cases = [
        ("OPENAI_API_KEY", "openai", "https://api.openai.com/v1"),
        ("ANTHROPIC_API_KEY", "anthropic", "https://api.anthropic.com"),
        ("GEMINI_API_KEY", "gcp.gemini", "https://generativelanguage.googleapis.com"),
        ("GOOGLE_API_KEY", "gcp.gemini", "https://generativelanguage.googleapis.com"),
        ("OPENROUTER_API_KEY", "openrouter", "https://openrouter.ai/api/v1"),
    ];
    for (variable, name, endpoint) in cases {
        let (found_name, found_endpoint, model) = chosen(&[(variable, &test_key())], None);
        assert_eq!((found_name.as_str(), found_endpoint.as_str()), (name, endpoint));
        assert!(!model.is_empty());
    }
    let (name, endpoint, _) = chosen(&[("OLLAMA_HOST", "0.0.0.0")], None);
    assert_eq!((name.as_str(), endpoint.as_str()), ("ollama", "http://127.0.0.1:11434"));
}

#[test]
fn the_named_provider_and_the_model_family_win_over_the_order_of_keys() {
    let key = test_key();
    let keys = [("OPENAI_API_KEY", key.as_str()), ("ANTHROPIC_API_KEY", key.as_str())];
    assert_eq!(chosen(&keys, None).0, "openai");
    let with = |extra: (&'static str, &'static str)| {
        let mut all = keys.to_vec();
        all.push(extra);
        chosen(&all, None)
    };
    assert_eq!(with(("EXHIBIT_PROVIDER", "Anthropic")).0, "anthropic");
    let (name, _, model) = with(("EXHIBIT_MODEL", "claude-x"));
    assert_eq!((name.as_str(), model.as_str()), ("anthropic", "claude-x"));
    assert_eq!(with(("EXHIBIT_MODEL", "gpt-x")).0, "openai");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let key = test_key();
    let config = file(serde_json::json!({
        "provider": "openai", "base_url": "https://gateway.example/v1",
        "api_key_env": "CORP_KEY", "model": "corp-model",
    }));
    let corp = ("CORP_KEY", key.as_str());
    let (_, endpoint, model) = chosen(&[corp], Some(&config));
    assert_eq!((endpoint.as_str(), model.as_str()), ("https://gateway.example/v1", "corp-model"));
    let variables =
        [corp, ("OPENAI_BASE_URL", "https://other.example/v1"), ("EXHIBIT_MODEL", "env-model")];
    let (_, endpoint, model) = chosen(&variables, Some(&config));
    assert_eq!((endpoint.as_str(), model.as_str()), ("https://other.example/v1", "env-model"));
}

#[test]
fn what_the_file_says_of_one_provider_is_not_used_for_another() {
    let key = test_key();
    for provider in ["openai", "no-such-provider"] {
        let config = file(serde_json::json!({
            "provider": provider, "base_url": "https://gateway.example/v1",
            "api_key_env": "CORP_KEY", "model": "corp-model",
        }));
        let variables = [
            ("EXHIBIT_PROVIDER", "anthropic"),
            ("ANTHROPIC_API_KEY", key.as_str()),
            ("CORP_KEY", key.as_str()),
        ];
        let (name, endpoint, model) = chosen(&variables, Some(&config));
        assert_eq!(name, "anthropic");
        assert_eq!(endpoint, "https://api.anthropic.com");
        assert_ne!(model, "corp-model");
    }
}

#[test]
fn a_named_provider_without_its_key_names_the_variable() {
    let error = choose(&[("EXHIBIT_PROVIDER", "gemini")], None).unwrap_err();
    assert_eq!(error.to_string(), "gemini needs a key: set GEMINI_API_KEY or GOOGLE_API_KEY");
    let config = file(serde_json::json!({"provider": "anthropic", "api_key_env": "MY_KEY"}));
    let error = choose(&[("ANTHROPIC_API_KEY", &test_key())], Some(&config)).unwrap_err();
    assert_eq!(error.to_string(), "anthropic needs a key: set MY_KEY");
}

#[test]
fn a_local_server_needs_no_key() {
    let (name, endpoint, _) = chosen(&[("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/")], None);
    assert_eq!((name.as_str(), endpoint.as_str()), ("openai", "http://127.0.0.1:8000/v1"));
    let error = choose(&[("EXHIBIT_PROVIDER", "vllm")], None).unwrap_err();
    assert_eq!(error, ConfigError::NoModel { provider: "vllm".into() });
    let (name, ..) = chosen(&[("EXHIBIT_PROVIDER", "vllm"), ("EXHIBIT_MODEL", "m")], None);
    assert_eq!(name, "vllm");
}

#[test]
fn azure_takes_its_resource_address_or_a_deployment() {
    let key = test_key();
    let variables = |endpoint: &'static str| {
        vec![
            ("EXHIBIT_PROVIDER", "azure"),
            ("AZURE_OPENAI_API_KEY", key.as_str()),
            ("AZURE_OPENAI_ENDPOINT", endpoint),
            ("EXHIBIT_MODEL", "m"),
        ]
    };
    let (name, endpoint, _) = chosen(&variables("https://x.openai.azure.com/"), None);
    assert_eq!(name, "azure.ai.openai");
    assert_eq!(endpoint, "https://x.openai.azure.com/openai/v1");
    let deployment = "https://x.openai.azure.com/openai/deployments/d?api-version=1";
    let (_, endpoint, _) = chosen(&variables(deployment), None);
    assert_eq!(endpoint, "https://x.openai.azure.com/openai/deployments/d");
}

#[test]
fn bad_settings_are_refused_without_being_repeated() {
    let key = test_key();
    let broken = format!("{key}\n{key}");
    let cases = [
        vec![("EXHIBIT_PROVIDER", "nonesuch-9")],
        vec![("OPENAI_API_KEY", broken.as_str())],
        vec![("OPENAI_API_KEY", key.as_str()), ("OPENAI_BASE_URL", "nonesuch-9")],
        vec![("OPENAI_API_KEY", key.as_str()), ("OPENAI_BASE_URL", "http://nonesuch-9.example")],
        vec![("OPENAI_API_KEY", key.as_str()), ("OPENAI_BASE_URL", "https://nonesuch-9:p@h/v1")],
    ];
    let codes = ["unknown_provider", "bad_key", "bad_base_url", "bad_base_url", "bad_base_url"];
    for (variables, code) in cases.iter().zip(codes) {
        let error = choose(variables, None).unwrap_err();
        assert_eq!(error.code(), code);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("nonesuch-9") && !text.contains(&key), "{text}");
    }
}

#[test]
fn an_unknown_setting_of_the_file_is_refused() {
    let unknown = serde_json::json!({"provider": "openai", "api_key": "x"});
    assert!(serde_json::from_value::<ProviderConfig>(unknown).is_err());
}

#[tokio::test]
async fn a_provider_chosen_from_the_environment_answers() {
    let server = ScriptedServer::start([Protocol::OpenAi.answer()]).await;
    let base = format!("{}/v1", server.url);
    let (provider, model) =
        choose(&[("OPENAI_API_KEY", &test_key()), ("OPENAI_BASE_URL", &base)], None).unwrap();
    let request = ChatRequest::prompt(model.clone(), "Explain transformers");
    let answer = provider.chat(request).await.unwrap().collect_answer().await.unwrap();
    assert_eq!(answer.text, TEXT);
    assert_eq!(server.seen()[0].body["model"], model);
}
