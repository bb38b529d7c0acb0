//! The rule files that are compiled in, so that a binary without a rules directory has them.

/// Name and text of every shipped rule file.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    macro_rules! files {
        ($($name:literal),+ $(,)?) => {
            &[$(($name, include_str!(concat!("../../../rules/", $name)))),+]
        };
    }
    files![
        "detectors/injection.yaml",
        "detectors/pii-americas.yaml",
        "detectors/pii-asia-pacific-africa.yaml",
        "detectors/pii-europe-north-east.yaml",
        "detectors/pii-europe-west.yaml",
        "detectors/pii.yaml",
        "detectors/secrets-ai.yaml",
        "detectors/secrets-assigned.yaml",
        "detectors/secrets-business.yaml",
        "detectors/secrets-cloud.yaml",
        "detectors/secrets-developer.yaml",
        "detectors/secrets-named.yaml",
        "detectors/secrets.yaml",
        "policies/default.yaml",
    ]
}

/// Name and text of every shipped pack: policies that are in force only where an operator keeps a copy of
/// them under `policies/`.
pub fn packs() -> &'static [(&'static str, &'static str)] {
    macro_rules! packs {
        ($($name:literal),+ $(,)?) => {
            &[$((
                concat!("policies/", $name),
                include_str!(concat!("../../../rules/packs/", $name)),
            )),+]
        };
    }
    packs![
        "cost-control.yaml",
        "eu-ai-act.yaml",
        "gdpr.yaml",
        "hipaa.yaml",
        "pci.yaml",
        "prompt-safety.yaml",
    ]
}

/// The shipped files with an operator's own over them: a file of the same name replaces ours, so that an
/// empty one switches it off; other names are added.
pub fn overlay(own: Vec<(String, String)>) -> Vec<(String, String)> {
    let ours = shipped().iter().filter(|(name, _)| !own.iter().any(|(mine, _)| mine == name));
    let mut all: Vec<(String, String)> =
        ours.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    all.extend(own);
    all.sort();
    all
}
