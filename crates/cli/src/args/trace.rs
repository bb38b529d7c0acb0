//! `exhibit trace`.

use clap::Args;

/// Options of `exhibit trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
The provider comes from the environment: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY or
OLLAMA_HOST; OPENAI_BASE_URL for any OpenAI-compatible server. EXHIBIT_PROVIDER and EXHIBIT_MODEL
choose among them, as does the section [provider] of exhibit.toml.

The trace goes to the server at EXHIBIT_URL with EXHIBIT_API_KEY, else to the server that runs on
the data directory, else straight into the data directory.")]
pub(crate) struct TraceArgs {
    /// The prompt; `-` reads it from standard input
    pub(crate) prompt: String,
    /// Model to call [default: EXHIBIT_MODEL, else the provider's]
    #[arg(long, short)]
    pub(crate) model: Option<String>,
    /// System prompt
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Sampling temperature
    #[arg(long)]
    pub(crate) temperature: Option<f64>,
    /// Most tokens of the answer
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// Project the trace belongs to, kept as metadata
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Environment, such as `production`
    #[arg(long, default_value = "development")]
    pub(crate) environment: String,
    /// Session the trace belongs to
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Tag; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Metadata; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Print the answer while it arrives, and the measurements after it
    #[arg(long)]
    pub(crate) stream: bool,
    /// Workspace to record into (with a key, the key decides)
    #[arg(long, default_value = "default")]
    pub(crate) workspace: String,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    if key.trim().is_empty() {
        return Err("the key before `=` is empty".to_owned());
    }
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::key_value;

    #[test]
    fn metadata_splits_at_the_first_equals_sign() {
        assert_eq!(key_value("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(key_value("a").is_err());
        assert!(key_value("=b").is_err());
    }
}
