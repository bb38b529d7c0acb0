//! The dashboard's files, inside the binary.
//!
//! When `web/dist` holds a dashboard at build time it is served. Otherwise the plain pages of this crate
//! are: set-up, login, keys, the newest traces and one trace, in plain HTML with one script and one
//! style sheet, which say how to get the dashboard. Either way no page asks a third party for anything.
//!
//! The dashboard's build leaves each larger file twice more, packed with Brotli and with gzip; a
//! browser that takes one of them gets it.

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
    /// How it is packed.
    pub encoding: Option<&'static str>,
}

/// The file at a path without its leading slash, packed in a way that `accepts` (the value of
/// `Accept-Encoding`) names where there is one. The page that all addresses share is [`index`].
pub fn file(path: &str, accepts: &str) -> Option<File> {
    if path.is_empty() {
        return index(accepts);
    }
    // The packed twins are no files of their own.
    if PACKINGS.iter().any(|(_, suffix)| path.ends_with(suffix)) {
        return None;
    }
    if !has_dashboard() {
        return Some(of(path, Plain::get(path)?, None));
    }
    packed(path, accepts).or_else(|| Some(of(path, Dashboard::get(path)?, None)))
}

/// The page behind every address.
pub fn index(accepts: &str) -> Option<File> {
    if has_dashboard() {
        return packed(INDEX, accepts).or_else(|| Some(of(INDEX, Dashboard::get(INDEX)?, None)));
    }
    Some(of(INDEX, Plain::get(INDEX)?, None))
}

/// Names of packings in the order in which they are preferred, and their suffixes.
const PACKINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

fn packed(path: &str, accepts: &str) -> Option<File> {
    let takes = |name: &str| {
        accepts.split(',').any(|part| {
            let (coding, weight) = part.split_once(';').unwrap_or((part, ""));
            coding.trim() == name && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00")
        })
    };
    PACKINGS.iter().filter(|(name, _)| takes(name)).find_map(|(name, suffix)| {
        Some(of(path, Dashboard::get(&format!("{path}{suffix}"))?, Some(name)))
    })
}

fn of(path: &str, found: rust_embed::EmbeddedFile, encoding: Option<&'static str>) -> File {
    File {
        bytes: found.data,
        content_type: content_type(path),
        immutable: path.starts_with("assets/"),
        encoding,
    }
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
        let index = index("").unwrap();
        assert!(index.content_type.starts_with("text/html"));
        if !has_dashboard() {
            let text = String::from_utf8(index.bytes.into_owned()).unwrap();
            for name in ["app.js", "style.css"] {
                assert!(text.contains(name));
                assert!(file(name, "").is_some(), "{name}");
            }
        }
        assert!(file("no/such/file", "").is_none());
        assert!(file("../Cargo.toml", "br").is_none());
    }

    #[test]
    fn a_packed_file_goes_to_those_who_take_it() {
        if !has_dashboard() {
            return;
        }
        assert_eq!(index("gzip, deflate, br").unwrap().encoding, Some("br"));
        assert_eq!(index("gzip;q=1.0").unwrap().encoding, Some("gzip"));
        assert_eq!(index("br;q=0").unwrap().encoding, None);
        assert_eq!(index("").unwrap().encoding, None);
        assert!(file("index.html.br", "br").is_none());
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
