//! Rule files as people edit them: what there is, whether a changed one would load, and writing it.
//!
//! A file is written only when the whole set loads with it, in one step (a new file takes the place of the
//! old one), and is in force when the answer is given. Who did it is a sealed act of their workspace; that
//! other rules are in force is an entry of the installation's log, as with files that change on disk.

use std::{fs, io::Write as _, path::Path, sync::Arc};

use exhibit_govern::{RuleListing, RuleProblem};
use exhibit_model::Nanos;
use serde::Serialize;

use crate::{
    Caller, Error, Recorder, RulesError, RulesView, Simulated, SimulationProgress,
    account::act::Act,
    rules::{Loaded, digest, own_files, read_optional},
};

/// Largest rule file that is taken, bytes.
pub const RULE_FILE_BYTES_MAX: usize = 200 << 10;
/// Longest name of a file without its directory, bytes.
const NAME_BYTES_MAX: usize = 80;
/// Files that stand for themselves.
const SINGLE: [&str; 2] = ["pricing.yaml", "notifications.yaml"];

/// Where a rule file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOrigin {
    /// From the directory of rules.
    Own,
    /// From the binary.
    Shipped,
    /// From the binary, and in force only as a copy in the directory.
    Pack,
}

/// A rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFile {
    /// Its name below the directory of rules, such as `policies/gdpr.yaml`.
    pub name: String,
    /// Where it comes from.
    pub origin: RuleOrigin,
    /// Whether it is in force.
    pub in_force: bool,
    /// Whether the binary has a file of this name, which is in force when the own one is removed.
    pub shipped: bool,
    /// SHA-256 of its text, hexadecimal.
    pub sha256: String,
    /// Its text.
    #[serde(skip)]
    pub text: String,
}

/// Why a rule file was not written.
#[derive(Debug, thiserror::Error)]
pub enum RuleFileRefusal {
    /// The set does not load with it; the rules in force stay.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl RulesError {
    /// What is wrong, with file and line where they can be told.
    pub fn problems(&self) -> Vec<RuleProblem> {
        let one = |file: &str, message: String| {
            let mut words = message.split("line ").skip(1);
            let line = words
                .next()
                .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
            vec![RuleProblem { file: file.to_owned(), line, place: String::new(), message }]
        };
        match self {
            Self::Rules(errors) => errors.problems.clone(),
            Self::Channels { file, message } => one(file, message.clone()),
            Self::Prices(error) => one("pricing.yaml", error.to_string()),
            // The path is the operator's business, not the client's.
            Self::File { path, source } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                one(&name, source.to_string())
            }
        }
    }
}

impl Recorder {
    /// Whether there is a directory that rule files can be written to.
    pub fn has_rules_dir(&self) -> bool {
        self.rules.source.dir.is_some()
    }

    /// The rule files there are, the directory's own over those of the same name that are shipped.
    ///
    /// # Errors
    /// The directory does not read.
    pub fn rule_files(&self) -> Result<Vec<RuleFile>, Error> {
        let mut own = own_files(&self.rules.source)?;
        if let Some(dir) = &self.rules.source.dir {
            for name in SINGLE {
                own.extend(read_optional(&dir.join(name))?.map(|text| (name.to_owned(), text)));
            }
        }
        let shipped = exhibit_govern::shipped().iter().copied();
        let shipped = shipped.chain([("pricing.yaml", exhibit_pricing::SHIPPED)]);
        let mut files: Vec<RuleFile> = Vec::new();
        let has = |files: &[RuleFile], name: &str| files.iter().any(|file| file.name == name);
        for (name, text) in own {
            files.push(RuleFile {
                origin: RuleOrigin::Own,
                in_force: true,
                shipped: shipped.clone().any(|(theirs, _)| theirs == name),
                sha256: digest(text.as_bytes()),
                name,
                text,
            });
        }
        let ours = shipped.map(|(name, text)| (name, text, RuleOrigin::Shipped));
        let packs = exhibit_govern::packs().iter().map(|(n, t)| (*n, *t, RuleOrigin::Pack));
        for (name, text, origin) in ours.chain(packs) {
            if !has(&files, name) {
                files.push(RuleFile {
                    name: name.to_owned(),
                    origin,
                    in_force: origin == RuleOrigin::Shipped,
                    shipped: true,
                    sha256: digest(text.as_bytes()),
                    text: text.to_owned(),
                });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// Checks a rule file with the others around it, its examples and tests included, without putting it
    /// in force.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check_rule_file(
        self: &Arc<Self>,
        name: String,
        text: String,
    ) -> Result<RuleListing, RuleFileRefusal> {
        check_name(&name)?;
        check_size(&text)?;
        let recorder = Arc::clone(self);
        let work = move || {
            let rules = &recorder.rules;
            let change = Some((name.as_str(), Some(text.as_str())));
            Loaded::read_with(&rules.source, rules.fingerprints(), change, Some(&rules.current()))
                .map(|it| it.rules.listing())
        };
        Ok(self.cores().run(work).await??)
    }

    /// Writes a rule file, or removes it, and puts the set in force. `held` is the digest of the file that
    /// the change was made to; another one means that somebody else was faster.
    ///
    /// # Errors
    /// The set does not load with it, there is no directory, or somebody else was faster.
    pub async fn set_rule_file(
        self: &Arc<Self>,
        by: &Caller,
        name: String,
        text: Option<String>,
        held: Option<String>,
    ) -> Result<RulesView, RuleFileRefusal> {
        check_name(&name)?;
        check_size(text.as_deref().unwrap_or_default())?;
        let sha256 = text.as_ref().map(|text| digest(text.as_bytes()));
        let act = Act::RuleFileSet { file: name.clone(), sha256, by: by.name() };
        let recorder = Arc::clone(self);
        let work = move || recorder.write_rule_file(&name, text.as_deref(), held.as_deref());
        self.cores().run(work).await??;
        self.keep_act(by.workspace, &act).await?;
        self.record_rules("edit").await?;
        Ok(self.rules())
    }

    fn write_rule_file(
        &self,
        name: &str,
        text: Option<&str>,
        held: Option<&str>,
    ) -> Result<(), RuleFileRefusal> {
        let rules = &self.rules;
        let Some(dir) = &rules.source.dir else {
            let message =
                "this server runs without a directory of rules; start it with --rules-dir";
            return Err(Error::Conflict(message.to_owned()).into());
        };
        let _turn = rules.writing.lock();
        let path = dir.join(name);
        let there = read_optional(&path)?;
        let digest_there = there.as_ref().map(|text| digest(text.as_bytes()));
        if held.is_some() && there.is_some() && digest_there.as_deref() != held {
            let message = "the file has changed since it was read; read it again";
            return Err(Error::Conflict(message.to_owned()).into());
        }
        if text.is_none() && there.is_none() {
            return Err(Error::NotFound.into());
        }
        Loaded::read_with(
            &rules.source,
            rules.fingerprints(),
            Some((name, text)),
            Some(&rules.current()),
        )?;
        let done = match text {
            Some(text) => replace(&path, text),
            None => fs::remove_file(&path),
        };
        done.map_err(|source| {
            let message = format!("{name}: {source}; the server may not write there");
            tracing::error!(%name, %source, "a rule file could not be written");
            Error::Conflict(message)
        })?;
        rules.reload();
        Ok(())
    }

    /// What a rule file, given as name and text, would have said of what is recorded.
    ///
    /// # Errors
    /// It does not load.
    pub async fn simulate_here(
        &self,
        by: &Caller,
        file: (String, String),
        from: Nanos,
        progress: &dyn SimulationProgress,
    ) -> Result<Simulated, Error> {
        check_name(&file.0)?;
        check_size(&file.1)?;
        self.simulate(by.workspace, &self.rules.source, file, from, progress).await
    }
}

/// A new file takes the place of the old one; a crash leaves one or the other, whole.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Not `.yaml`: nothing reads it as a rule file.
    let fresh = dir.join(format!(".{name}.new"));
    let mut file = fs::File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

fn check_size(text: &str) -> Result<(), Error> {
    if text.len() <= RULE_FILE_BYTES_MAX {
        return Ok(());
    }
    let message = format!("is larger than {RULE_FILE_BYTES_MAX} bytes; split it");
    Err(Error::Invalid { field: "text", message })
}

/// No name leads out of the directory.
fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_file = |file: &str| {
        file.len() <= NAME_BYTES_MAX
            && file.starts_with(|c: char| c.is_ascii_alphanumeric())
            && file.chars().all(plain)
            && Path::new(file).extension().is_some_and(|e| e == "yaml" || e == "yml")
    };
    let is_known = match name.split_once('/') {
        None => SINGLE.contains(&name),
        Some((dir, file)) => {
            matches!(dir, "policies" | "detectors" | "constitution") && is_file(file)
        }
    };
    if is_known {
        return Ok(());
    }
    let message = "must be pricing.yaml, notifications.yaml, policies/<name>.yaml or \
                   detectors/<name>.yaml, with letters, digits, dots, dashes and underscores";
    Err(Error::Invalid { field: "name", message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for name in ["policies/a.yaml", "detectors/b-1.yml", "pricing.yaml"] {
            check_name(name).unwrap();
        }
        for name in [
            "policies/../x.yaml",
            "/etc/x.yaml",
            "policies/.x.yaml",
            "other/x.yaml",
            "policies/a/b.yaml",
            "policies/x.sh",
            "x.yaml",
            "policies/\0.yaml",
            "policies/",
        ] {
            check_name(name).unwrap_err();
        }
    }
}
