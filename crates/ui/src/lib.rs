//! The dashboard's files, inside the binary.
//!
//! When `web/dist` exists at build time it is served. Otherwise the plain pages of this crate are:
//! set-up, login, keys, the newest traces and one trace, in plain HTML with one script and one style
//! sheet. Either way no page asks a third party for anything.

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dashboard;

#[derive(RustEmbed)]
#[folder = "pages"]
struct Plain;

const INDEX: &str = "index.html";

/// A file as it is served.
#[derive(Debug, Clone)]
pub struct File {
    /// Its content.
    pub bytes: Cow<'static, [u8]>,
    /// Its media type.
    pub content_type: &'static str,
    /// Whether its name changes with its content, so that browsers may keep it for ever.
    pub immutable: bool,
}

/// The file at a path without its leading slash. The page that all addresses share is
/// [`index`].
pub fn file(path: &str) -> Option<File> {
    if path.is_empty() {
        return index();
    }
    let found = if has_dashboard() { Dashboard::get(path) } else { Plain::get(path) }?;
    Some(File {
        bytes: found.data,
        content_type: content_type(path),
        immutable: path.starts_with("assets/"),
    })
}

/// The page behind every address.
pub fn index() -> Option<File> {
    let found = Dashboard::get(INDEX).or_else(|| Plain::get(INDEX))?;
    Some(File { bytes: found.data, content_type: content_type(INDEX), immutable: false })
}

/// Whether the built dashboard is inside, or the plain pages stand in.
pub fn has_dashboard() -> bool {
    Dashboard::get(INDEX).is_some()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page_with_its_script_and_style() {
        let index = index().unwrap();
        assert!(index.content_type.starts_with("text/html"));
        if !has_dashboard() {
            let text = String::from_utf8(index.bytes.into_owned()).unwrap();
            for name in ["app.js", "style.css"] {
                assert!(text.contains(name));
                assert!(file(name).is_some(), "{name}");
            }
        }
        assert!(file("no/such/file").is_none());
        assert!(file("../Cargo.toml").is_none());
    }

    #[test]
    fn no_plain_page_names_another_host() {
        for name in Plain::iter() {
            let text = String::from_utf8(Plain::get(&name).unwrap().data.into_owned()).unwrap();
            for scheme in ["http://", "https://", "src=\"//"] {
                let foreign = text.match_indices(scheme).any(|(at, _)| {
                    let rest = &text[at + scheme.len()..];
                    !["www.w3.org", "127.0.0.1", "localhost"].iter().any(|h| rest.starts_with(h))
                });
                assert!(!foreign, "{name} names another host");
            }
        }
    }
}
