//! The published vectors, which live beside the repository.

use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A file or folder among the vectors; `None`, with the reason printed, where they are absent.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("EXHIBIT_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("vectors").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent (set EXHIBIT_SHARED)", path.display());
    None
}

/// The text of a gzipped file.
pub(crate) fn text(name: &str) -> Option<String> {
    let file = std::fs::File::open(path(name)?).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text)
}

/// The cases of a gzipped file of JSON lines.
pub(crate) fn cases(name: &str) -> Option<Vec<Value>> {
    Some(text(name)?.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A string member.
pub(crate) fn str_of<'v>(case: &'v Value, name: &str) -> &'v str {
    case[name].as_str().unwrap_or_else(|| panic!("no {name} in {case}"))
}

/// A member in base64.
pub(crate) fn base64_of(case: &Value, name: &str) -> Vec<u8> {
    STANDARD.decode(str_of(case, name)).unwrap()
}
