//! One name for each provider.

/// The canonical name of a provider: the value that OpenTelemetry's registry lists where it lists one.
pub(crate) fn canonical(raw: &str) -> Option<String> {
    let lower = raw.trim().to_ascii_lowercase();
    let mut name = lower.as_str();
    for suffix in [".chat", ".responses", ".messages", ".completion", ".embedding"] {
        name = name.strip_suffix(suffix).unwrap_or(name);
    }
    let canonical = match name {
        "" | "unknown" | "none" | "null" => return None,
        "az.ai.openai" | "azure_openai" | "azure-openai" | "azure" | "azure.ai.openai" => {
            "azure.ai.openai"
        }
        "az.ai.inference" | "azure.ai.inference" => "azure.ai.inference",
        "vertex_ai" | "vertexai" | "gcp.vertex_ai" | "google.vertex" | "google_vertexai"
        | "vertex" => "gcp.vertex_ai",
        "gemini"
        | "google"
        | "gcp.gemini"
        | "gcp.gen_ai"
        | "google.generative-ai"
        | "google_genai" => "gcp.gemini",
        "xai" | "x_ai" | "x-ai" | "grok" => "x_ai",
        "mistral" | "mistralai" | "mistral_ai" => "mistral_ai",
        "bedrock" | "aws" | "aws.bedrock" | "aws_bedrock" | "amazon-bedrock" | "amazon_bedrock" => {
            "aws.bedrock"
        }
        "watsonx" | "ibm.watsonx.ai" => "ibm.watsonx.ai",
        other => other,
    };
    Some(canonical.to_owned())
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn the_many_names_of_a_provider_become_one() {
        for (raw, name) in [
            ("azure_openai", "azure.ai.openai"),
            ("az.ai.openai", "azure.ai.openai"),
            ("VertexAI", "gcp.vertex_ai"),
            ("google", "gcp.gemini"),
            ("xai.chat", "x_ai"),
            ("mistralai", "mistral_ai"),
            ("bedrock", "aws.bedrock"),
            ("openai.responses", "openai"),
            ("anthropic.messages", "anthropic"),
            ("OpenAI", "openai"),
        ] {
            assert_eq!(canonical(raw).as_deref(), Some(name), "{raw}");
        }
        assert_eq!(canonical(" "), None);
    }
}
