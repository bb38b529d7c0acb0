//! A verifier key from outside: without one, the key beside the data vouches for itself.

use exhibit_ledger::{
    Succession, VerifierKey,
    succession::{self, Reason},
};
use exhibit_recorder::verify::{Fault, Verdict};

use crate::failure::Failure;

/// A pinned key of an installation, or of one of its logs.
#[derive(Debug)]
pub(super) struct Pin(VerifierKey);

impl Pin {
    /// Reads the form `name+id+base64`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        text.trim().parse().map(Self).map_err(|error| {
            Failure::usage(format!("--key: {error}"))
                .hint("give the whole line that `exhibit verify` prints after `Key:`")
        })
    }

    /// Whether a log's key is the pinned one. The logs of an installation share its key; their names
    /// extend its name.
    pub(super) fn fits(&self, key: &str) -> bool {
        let Ok(key) = key.parse::<VerifierKey>() else { return false };
        let below = key.name().strip_prefix(self.0.name());
        key.public_key() == self.0.public_key()
            && key.kind() == self.0.kind()
            && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether the pinned key handed over to that of the log, each on the way to the next.
    fn handed_over(&self, key: &str, notes: &[impl AsRef<str>]) -> bool {
        let Ok(key) = key.parse::<VerifierKey>() else { return false };
        let chain: Result<Vec<Succession>, _> =
            notes.iter().map(|note| Succession::open(note.as_ref())).collect();
        let Some(last) = chain.ok().and_then(|chain| chain.last().cloned()) else { return false };
        // The chain is the installation's; the key may be that of a log below it.
        let Some(below) = key.name().strip_prefix(last.new.name()) else { return false };
        let notes = notes.iter().map(AsRef::as_ref);
        let Ok(chain) = succession::chain(notes, &last.new) else { return false };
        let from = chain.iter().rposition(|one| one.hands_over_from(&self.0, below));
        let way = from.and_then(|from| chain.get(from..));
        key.public_key() == last.new.public_key()
            && (below.is_empty() || below.starts_with('/'))
            && way.is_some_and(|way| way.iter().all(|one| one.reason != Reason::Compromise))
    }

    /// Drops the qualifier that the key vouches for itself, or says that it is another key. `notes` are
    /// the successions of the installation's key.
    pub(super) fn apply(
        &self,
        key: &str,
        notes: &[impl AsRef<str>],
        verdict: &mut Verdict,
        qualifiers: &mut Vec<&'static str>,
        faults: &mut Vec<Fault>,
    ) {
        qualifiers.retain(|q| *q != "key-self-asserted");
        if self.fits(key) {
            return;
        }
        if self.handed_over(key, notes) {
            qualifiers.push("key-succeeded");
            return;
        }
        *verdict = (*verdict).max(Verdict::WrongKey);
        faults.push(Fault {
            verdict: Verdict::WrongKey,
            trace_id: None,
            span_id: None,
            log: None,
            index: None,
            what: format!("the log is signed with the key {key}, not with the pinned one"),
        });
    }
}

#[cfg(test)]
mod tests {
    use exhibit_ledger::NoteSigner;

    use super::Pin;

    fn key(name: &str, seed: u8) -> String {
        NoteSigner::new(name, &[seed; 32]).unwrap().verifier().to_string()
    }

    #[test]
    fn a_pin_fits_the_logs_of_its_installation_only() {
        let pin = Pin::parse(&key("exhibit.local/a", 1)).unwrap();
        assert!(pin.fits(&key("exhibit.local/a", 1)));
        assert!(pin.fits(&key("exhibit.local/a/7", 1)));
        assert!(!pin.fits(&key("exhibit.local/a", 2)), "a look-alike with another key");
        assert!(!pin.fits(&key("exhibit.local/ab", 1)), "another installation");
        assert!(!pin.fits("nonsense"));
        assert!(Pin::parse("nonsense").is_err());
    }
}
