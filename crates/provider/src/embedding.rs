//! Texts as vectors, whose angles say how near their meanings are. Sources: the API references of
//! OpenAI ("Create embeddings"), Gemini ("batchEmbedContents") and Ollama ("Generate embeddings").

use crate::error::ProviderError;
use crate::json;
use crate::transport::Transport;
use reqwest::Url;
use serde_json::{Value, json};

/// Most numbers of one vector; the largest models in use give 4,096.
const DIMENSIONS_MAX: usize = 16_384;

/// Vectors of texts, in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One vector for each text; all have the same length, and every number is finite.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of the texts, where the provider says so.
    pub input_tokens: Option<u64>,
}

impl Embeddings {
    fn of(
        vectors: Vec<Option<Vec<f32>>>,
        input_tokens: Option<u64>,
    ) -> Result<Self, ProviderError> {
        let whole: Option<Vec<_>> = vectors.into_iter().collect();
        let vectors = whole.ok_or_else(|| ProviderError::malformed("a text without its vector"))?;
        let length = vectors.first().map_or(0, Vec::len);
        let alike = |v: &Vec<f32>| v.len() == length && v.iter().all(|n| n.is_finite());
        if length == 0 || !vectors.iter().all(alike) {
            return Err(ProviderError::malformed("vectors of different or no length"));
        }
        Ok(Self { vectors, input_tokens })
    }
}

/// `POST /embeddings`.
pub(crate) async fn openai(
    transport: &Transport,
    model: &str,
    texts: &[String],
) -> Result<Embeddings, ProviderError> {
    let url = transport.url(&["embeddings"]);
    let body = json!({"model": model, "input": texts, "encoding_format": "float"});
    let answer = ask(transport, &url, &body).await?;
    let mut vectors = vec![None; texts.len()];
    for (at, item) in list(&answer, "data")?.iter().enumerate() {
        let place = json::count(item.get("index")).and_then(|n| usize::try_from(n).ok());
        if let Some(slot) = vectors.get_mut(place.unwrap_or(at)) {
            *slot = vector(item.get("embedding"));
        }
    }
    let tokens = answer.get("usage").and_then(|usage| json::count(usage.get("prompt_tokens")));
    Embeddings::of(vectors, tokens)
}

/// `POST /v1beta/models/…:batchEmbedContents`, whose address the client makes.
pub(crate) async fn gemini(
    transport: &Transport,
    url: &Url,
    model: &str,
    texts: &[String],
) -> Result<Embeddings, ProviderError> {
    let name = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
    let one = |text: &String| json!({"model": name, "content": {"parts": [{"text": text}]}});
    let body = json!({"requests": texts.iter().map(one).collect::<Vec<_>>()});
    let answer = ask(transport, url, &body).await?;
    let vectors = list(&answer, "embeddings")?.iter().map(|item| vector(item.get("values")));
    let tokens = answer.get("usageMetadata").and_then(|u| json::count(u.get("promptTokenCount")));
    exactly(texts, Embeddings::of(vectors.collect(), tokens)?)
}

/// `POST /api/embed`.
pub(crate) async fn ollama(
    transport: &Transport,
    model: &str,
    texts: &[String],
) -> Result<Embeddings, ProviderError> {
    let url = transport.url(&["api", "embed"]);
    let answer = ask(transport, &url, &json!({"model": model, "input": texts})).await?;
    let vectors = list(&answer, "embeddings")?.iter().map(|item| vector(Some(item)));
    let tokens = json::count(answer.get("prompt_eval_count"));
    exactly(texts, Embeddings::of(vectors.collect(), tokens)?)
}

fn exactly(texts: &[String], found: Embeddings) -> Result<Embeddings, ProviderError> {
    if found.vectors.len() == texts.len() {
        Ok(found)
    } else {
        Err(ProviderError::malformed("not one vector for each text"))
    }
}

async fn ask(transport: &Transport, url: &Url, body: &Value) -> Result<Value, ProviderError> {
    let scrubbed = |error: ProviderError| match transport.key() {
        Some(key) => error.map_texts(|text| key.scrub(text)),
        None => error,
    };
    let mut opened = transport.post(url, body.to_string().into()).await?;
    let mut whole = Vec::new();
    while let Some(piece) = opened.next_piece().await.map_err(scrubbed)? {
        whole.extend_from_slice(&piece);
    }
    serde_json::from_slice(&whole).map_err(|_| ProviderError::malformed("it is not JSON"))
}

fn list<'a>(answer: &'a Value, name: &str) -> Result<&'a Vec<Value>, ProviderError> {
    let list = answer.get(name).and_then(Value::as_array);
    list.ok_or_else(|| ProviderError::malformed(format!("no list `{name}` of vectors")))
}

fn vector(value: Option<&Value>) -> Option<Vec<f32>> {
    let numbers = value?.as_array().filter(|numbers| numbers.len() <= DIMENSIONS_MAX)?;
    numbers.iter().map(|n| n.as_f64().map(|n| n as f32)).collect()
}
