//! Where clients put their key. Every known client's way is understood; none needs to be changed.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A key as a request brought it, not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential(pub(crate) String);

/// Exhibit's own header comes first: a client that talks to a provider through us has the provider's
/// key in the usual place.
const BEFORE: &[&str] = &["x-exhibit-key"];
/// Headers that other products' clients use.
const AFTER: &[&str] = &["x-api-key", "api-key", "api_key", "x-goog-api-key", "wandb-api-key"];
const PREFIXES: &[&str] = &["exk_", "akt_", "sk-at-"];

/// The key of a request. Of several candidates the first that looks like one of ours wins, else the
/// first.
pub(crate) fn find(headers: &HeaderMap) -> Option<Credential> {
    let plain = |names: &'static [&str]| {
        names.iter().filter_map(|name| text(headers.get(*name)?.as_bytes()))
    };
    let candidates: Vec<String> = plain(BEFORE)
        .chain(
            headers.get_all(header::AUTHORIZATION).iter().flat_map(|v| authorization(v.as_bytes())),
        )
        .chain(plain(AFTER))
        .collect();
    let ours = candidates.iter().position(|c| PREFIXES.iter().any(|p| c.starts_with(p)));
    candidates.into_iter().nth(ours.unwrap_or(0)).map(Credential)
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `Bearer k`, `Basic base64(user:password)`, another scheme, or the bare key. Of Basic the password
/// is the key, or the user where the password is empty; the other is tried as well.
fn authorization(bytes: &[u8]) -> Vec<String> {
    let Some(value) = text(bytes) else { return Vec::new() };
    // Some exporters pass on percent-encoded header settings as they are.
    let value = value.replacen("%20", " ", 1);
    let Some((scheme, rest)) = value.split_once(char::is_whitespace) else { return vec![value] };
    let rest = rest.trim();
    if !scheme.eq_ignore_ascii_case("basic") {
        return vec![rest.to_owned()];
    }
    let Some(decoded) = STANDARD.decode(rest).ok().and_then(|b| String::from_utf8(b).ok()) else {
        return vec![rest.to_owned()];
    };
    let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
    [password, user].into_iter().filter(|p| !p.is_empty()).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn found(headers: &[(&str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        find(&map).map(|c| c.0)
    }

    #[test]
    fn a_key_is_found_wherever_clients_put_it() {
        let basic = format!("Basic {}", STANDARD.encode("pk-public:exk_secret"));
        let user_only = format!("basic {}", STANDARD.encode("exk_secret:"));
        for header in [
            ("authorization", "Bearer exk_secret"),
            ("authorization", "bearer  exk_secret"),
            ("authorization", "Bearer%20exk_secret"),
            ("authorization", "exk_secret"),
            ("authorization", basic.as_str()),
            ("authorization", user_only.as_str()),
            ("x-api-key", "exk_secret"),
            ("api-key", "exk_secret"),
            ("api_key", "exk_secret"),
            ("x-goog-api-key", "exk_secret"),
            ("wandb-api-key", "exk_secret"),
            ("x-exhibit-key", "exk_secret"),
        ] {
            assert_eq!(found(&[header]).as_deref(), Some("exk_secret"), "{header:?}");
        }
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("authorization", " ")]), None);
    }

    #[test]
    fn ours_is_told_from_a_providers_key() {
        let both = [("authorization", "Bearer sk-provider"), ("x-api-key", "akt_ours")];
        assert_eq!(found(&both).as_deref(), Some("akt_ours"));
        let own = [("authorization", "Bearer sk-provider"), ("x-exhibit-key", "whatever")];
        assert_eq!(found(&own).as_deref(), Some("whatever"));
    }
}
