//! Time stamps: an authority says that the head was there at a time.
//!
//! A token is over a checkpoint of the installation's log; an inclusion proof shows that the bundle's head
//! stands under that checkpoint. So all that the bundle proves existed by the time of the token, as far as
//! the authority is believed. Without certificates from the auditor nobody says whose word it is: then the
//! signature is checked against the certificate in the token, and the report says
//! `stamp-authority-unknown`. What uses algorithms that are not known here is named `stamp-not-checked`.

use std::io::{Read, Seek};

use exhibit_ledger::{Hash, Succession, VerifierKey, verify_inclusion};
use serde::Serialize;

use super::{Bundle, Demands, Fault, Report, Verdict, head::hashes};
use crate::{
    line::StampProof,
    stamp::{self, StampError},
};

const FOLDER: &str = "timestamps/";
/// Most stamps of a bundle.
const STAMPS_MAX: usize = 16;

/// A time stamp that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatedBy {
    /// The token's file.
    pub file: String,
    /// The head was there by then, RFC 3339.
    pub time: String,
    /// The authority's serial number of the token, hex.
    pub serial: String,
    /// Whether the certificates that the auditor trusts vouch for the authority.
    pub trusted: bool,
}

/// Where the head stands in the installation's log.
pub(super) struct Head {
    pub(super) index: u64,
    pub(super) hash: Hash,
}

impl<R: Read + Seek, O: Fn() -> std::io::Result<R> + Sync> Bundle<'_, O> {
    /// Checks every time stamp of the bundle.
    pub(super) fn check_stamps(
        &self,
        demands: &Demands,
        above: &VerifierKey,
        chain: &[Succession],
        head: &Head,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let number = |name: &str| {
            let number = name.strip_prefix(FOLDER)?.strip_suffix(".tst")?;
            let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| number.to_owned())
        };
        let stamps: Vec<String> =
            self.manifest.files.iter().filter_map(|file| number(&file.name)).collect();
        if stamps.len() > STAMPS_MAX {
            return Err(Fault::malformed(FOLDER, "more time stamps than a bundle has"));
        }
        let mut qualify = |word| {
            if !report.qualifiers.contains(&word) {
                report.qualifiers.push(word);
            }
        };
        for number in &stamps {
            match self.check_stamp(number, demands, above, chain, head)? {
                Some(stamp) => {
                    if !stamp.trusted {
                        qualify("stamp-authority-unknown");
                    }
                    report.stamps.push(stamp);
                }
                None => qualify("stamp-not-checked"),
            }
        }
        Ok(())
    }

    /// Checks one; `None` where it uses what is not known here.
    fn check_stamp(
        &self,
        number: &str,
        demands: &Demands,
        above: &VerifierKey,
        chain: &[Succession],
        head: &Head,
    ) -> Result<Option<DatedBy>, Fault> {
        let name = |ending: &str| format!("{FOLDER}{number}.{ending}");
        let (file, proof_file) = (name("tst"), name("json"));
        let token = self.file(&file)?;
        let dated = self.signed_by_any(&name("checkpoint"), above, chain)?;
        let text = dated.note().text().as_bytes();
        let invalid = |what: String| Fault::new(Verdict::BadProof, "stamp-invalid", what).of(&file);
        if self.file(&name("txt"))? != text {
            return Err(invalid("the text beside it is not the checkpoint's".to_owned()));
        }
        let proof: Option<StampProof> = serde_json::from_slice(&self.file(&proof_file)?).ok();
        let path = proof.and_then(|proof| hashes(&proof.proof));
        let path = path.ok_or_else(|| Fault::malformed(&proof_file, "not the proof of a head"))?;
        let (size, root) = (dated.checkpoint().size, dated.checkpoint().root);
        verify_inclusion(head.index, size, &head.hash, &path, &root).map_err(|error| {
            let what = format!("the head does not stand under the stamped checkpoint: {error}");
            Fault::new(Verdict::BadProof, "stamp-proof", what).of(&proof_file)
        })?;
        let trusted = !demands.roots.is_empty();
        let checked = if trusted {
            stamp::verify(&token, text, &demands.roots)
        } else {
            stamp::verify_signature(&token, text)
        };
        match checked {
            Ok(stamp) => {
                let (time, serial) = (stamp.time.to_rfc3339(), stamp.serial);
                Ok(Some(DatedBy { file, time, serial, trusted }))
            }
            Err(StampError::Unsupported(_)) => Ok(None),
            Err(error @ StampError::Untrusted(_)) => {
                let what = error.to_string();
                Err(Fault::new(Verdict::WrongKey, "stamp-untrusted", what).of(&file))
            }
            Err(error) => Err(invalid(error.to_string())),
        }
    }
}
