//! What clients put in the place of content they mask themselves.

/// Whether a text only says that something was masked before it was sent.
pub(crate) fn is_masked(text: &str) -> bool {
    let text = text.trim();
    if text.len() > 80 {
        return false;
    }
    matches!(text, "__REDACTED__" | "<REDACTED>" | "[REDACTED]" | "REDACTED")
        || (text.starts_with("[Scrubbed due to") && text.ends_with(']'))
}
