//! Names of other programs' variables: honoured where they mean a setting of ours, otherwise said to
//! be without effect, so that nobody relies on them.

use std::path::{Path, PathBuf};

/// What another program's variable means here.
pub(crate) enum Alias {
    /// It sets this key.
    Sets(&'static str, toml::Value),
    /// It has no effect, for this reason.
    Ignored(String),
    /// It cannot be honoured.
    Refused(String),
    /// It is not one of these variables, or says nothing.
    Unknown,
}

/// Reads one variable. `data_dir_is_set` says that the data directory is named in our own terms.
pub(crate) fn alias(name: &str, value: &str, data_dir_is_set: bool) -> Alias {
    let value = value.trim();
    match name {
        _ if value.is_empty() => Alias::Unknown,
        "AUDITTRAIL_RULES_DIR" => Alias::Sets("rules_dir", value.into()),
        "AUDITTRAIL_CORS_ORIGINS" => match list(value) {
            Ok(origins) => Alias::Sets("cors_origins", origins),
            Err(reason) => Alias::Refused(reason),
        },
        "AUDITTRAIL_DEBUG" => match switch(value) {
            Some(true) => Alias::Sets("log", "debug".into()),
            Some(false) => Alias::Unknown,
            None => Alias::Refused("it is `true` or `false`".to_owned()),
        },
        "AUDITTRAIL_SECRET_KEY" => Alias::Ignored(
            "not needed: sessions are random values kept in the data directory, so there is no \
             signing secret that could be guessed"
                .to_owned(),
        ),
        "DATABASE_URL" => database_url(value, data_dir_is_set),
        "NEXT_PUBLIC_API_URL" | "NEXT_PUBLIC_WS_URL" => Alias::Ignored(
            "without effect: the dashboard talks to the address it was loaded from".to_owned(),
        ),
        _ => Alias::Unknown,
    }
}

/// Names that [`alias`] knows.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("AUDITTRAIL_RULES_DIR", "sets `rules_dir`"),
    ("AUDITTRAIL_CORS_ORIGINS", "sets `cors_origins`; a JSON list or a comma-separated one"),
    ("AUDITTRAIL_DEBUG", "`true` sets `log` to `debug`"),
    ("AUDITTRAIL_SECRET_KEY", "accepted and not needed: there is no signing secret to guess"),
    (
        "DATABASE_URL",
        "`sqlite…:///path/file.db` sets `data_dir` to `path`; any other database is refused unless \
         the data directory is set in Exhibit's own terms",
    ),
    ("NEXT_PUBLIC_API_URL", "ignored: the dashboard talks to the address it was loaded from"),
    ("NEXT_PUBLIC_WS_URL", "ignored, likewise"),
];

fn database_url(value: &str, data_dir_is_set: bool) -> Alias {
    if data_dir_is_set {
        return Alias::Ignored("without effect: the data directory is set".to_owned());
    }
    let Some((scheme, path)) = value.split_once(":///").filter(|(s, _)| s.starts_with("sqlite"))
    else {
        // The value may hold a password: only its scheme is repeated.
        let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
        return Alias::Refused(format!(
            "it names a database ({scheme}:…) that this build does not use; set EXHIBIT_DATA_DIR to \
             a directory, or unset DATABASE_URL"
        ));
    };
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let parent: Option<PathBuf> = Path::new(path).parent().map(Path::to_path_buf);
    match parent {
        Some(dir) if path != ":memory:" => {
            let dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir };
            Alias::Sets("data_dir", dir.to_string_lossy().into_owned().into())
        }
        _ => Alias::Refused(format!(
            "it names no file ({scheme}); set EXHIBIT_DATA_DIR to a directory instead"
        )),
    }
}

/// A JSON list of texts, or a comma-separated one.
pub(crate) fn list(text: &str) -> Result<toml::Value, String> {
    let items: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|_| "it is not a JSON list of texts".to_owned())?
    } else {
        text.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect()
    };
    Ok(toml::Value::Array(items.into_iter().map(toml::Value::String).collect()))
}

/// `true` or `false` in the usual spellings.
pub(crate) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir(url: &str) -> Option<String> {
        match alias("DATABASE_URL", url, false) {
            Alias::Sets("data_dir", value) => value.as_str().map(str::to_owned),
            _ => None,
        }
    }

    #[test]
    fn a_sqlite_url_names_its_directory() {
        assert_eq!(data_dir("sqlite+aiosqlite:///./data/audittrail.db").as_deref(), Some("./data"));
        assert_eq!(data_dir("sqlite:////var/lib/x/a.db?mode=rwc").as_deref(), Some("/var/lib/x"));
        assert_eq!(data_dir("sqlite:///a.db").as_deref(), Some("."));
        assert_eq!(data_dir("sqlite:///:memory:"), None);
        assert_eq!(data_dir("postgresql://localhost/x"), None);
    }

    #[test]
    fn a_refused_url_never_shows_its_password() {
        let password = "open".to_owned() + "sesame";
        let url = format!("postgresql://me:{password}@db/x");
        match alias("DATABASE_URL", &url, false) {
            Alias::Refused(reason) => {
                assert!(reason.contains("EXHIBIT_DATA_DIR") && !reason.contains(&password));
            }
            _ => panic!("it must be refused"),
        }
        assert!(matches!(alias("DATABASE_URL", &url, true), Alias::Ignored(_)));
    }

    #[test]
    fn origins_come_as_json_or_with_commas() {
        let json = list(r#"["http://a", "http://b"]"#).unwrap();
        assert_eq!(json, list("http://a, http://b,").unwrap());
        assert!(list("[1]").is_err());
    }
}
