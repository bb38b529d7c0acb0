//! Clients for LLM providers: OpenAI-compatible, Anthropic, Gemini, Ollama; streaming.
