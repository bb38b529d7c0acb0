//! Rule files, tried as the server would load them.

use std::{fs, path::Path};

use exhibit_govern::{FingerprintKey, RuleSet, overlay};
use exhibit_pricing::PriceBook;
use exhibit_recorder::{RuleSource, rule_warnings};

use super::Check;

/// What became of one file.
pub(crate) struct FileResult {
    /// Why it cannot be used.
    pub(crate) error: Option<String>,
}

/// Loads every rule file of a directory; without one, those built in.
pub(crate) fn check(dir: Option<&Path>) -> Vec<FileResult> {
    let mut results = Vec::new();
    let mut own = Vec::new();
    if let Some(dir) = dir {
        let pricing = dir.join("pricing.yaml");
        if pricing.exists() {
            results.push(FileResult { error: prices(&pricing).err() });
        }
        for sub in ["detectors", "policies"] {
            for entry in fs::read_dir(dir.join(sub)).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_none_or(|e| e != "yaml" && e != "yml") {
                    continue;
                }
                let name = format!("{sub}/{}", entry.file_name().to_string_lossy());
                match fs::read_to_string(&path) {
                    Ok(text) => own.push((name, text)),
                    Err(error) => {
                        let error = Some(format!("{}: {error}", path.display()));
                        results.push(FileResult { error });
                    }
                }
            }
        }
    }
    let files = overlay(own);
    // Detectors' own samples are tried when they are loaded.
    match RuleSet::load(&files, FingerprintKey::new([0; 32])) {
        Ok(_) => results.extend(files.iter().map(|_| FileResult { error: None })),
        Err(errors) => results
            .extend(errors.problems.iter().map(|p| FileResult { error: Some(p.to_string()) })),
    }
    results
}

fn prices(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    PriceBook::from_yaml(&text, "pricing.yaml").map(drop).map_err(|error| error.to_string())
}

/// One line about all of them.
pub(super) fn summary(dir: Option<&Path>) -> Check {
    let from = dir.map_or_else(|| "built in".to_owned(), |dir| dir.display().to_string());
    if dir.is_some_and(|dir| !dir.is_dir()) {
        return Check::failure("rules", format!("{from} is not a directory"));
    }
    let results = check(dir);
    let wrong: Vec<_> = results.iter().filter_map(|r| r.error.clone()).collect();
    if wrong.is_empty() {
        let source = RuleSource { dir: dir.map(Path::to_owned) };
        match rule_warnings(&source) {
            Err(error) => return Check::failure("rules", error.to_string()),
            Ok(warnings) if warnings.is_empty() => {}
            Ok(warnings) => {
                let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
                return Check::warning("rules", warnings.join("; "));
            }
        }
        return Check::ok("rules", format!("{} files from {from} load", results.len()));
    }
    Check::failure("rules", wrong.join("; ")).hint("a running server keeps the rules it had")
}
