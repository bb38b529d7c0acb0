//! Trust policies (C2SP tlog-policy): which logs are known, and which witnesses make a checkpoint
//! count.

use std::collections::{HashMap, HashSet};

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::note::{KeyKind, VerifierKey};

/// Longest policy that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 256 << 10;
/// Most lines that define something.
const DEFINITIONS_MAX: usize = 1_024;

/// A policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The logs it accepts; empty where the log is known from elsewhere.
    pub logs: Vec<VerifierKey>,
    /// The witnesses, with their submission prefix where one is given.
    pub witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name within the file.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Its submission prefix (C2SP tlog-witness).
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy line {line}: {what}")]
pub struct PolicyError {
    /// Number of the line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// A line of another form; a name or key that is defined twice, or a name that is not defined
    /// before it is used; not exactly one quorum.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let whole = |what| PolicyError { line: 0, what };
        if text.len() > POLICY_BYTES_MAX {
            return Err(whole("the file is longer than 256 KiB"));
        }
        let mut reader = Reader::default();
        for (number, line) in text.split('\n').enumerate() {
            let line = line.trim_matches([' ', '\t']);
            let fault = |what| PolicyError { line: number + 1, what };
            if line.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
                return Err(fault("a control character"));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let items: Vec<&str> = line.split([' ', '\t']).filter(|i| !i.is_empty()).collect();
            reader.definition(&items).map_err(fault)?;
        }
        let Quorum(quorum) = reader.quorum.ok_or(whole("there is no quorum line"))?;
        Ok(Self { logs: reader.logs, witnesses: reader.witnesses, groups: reader.groups, quorum })
    }

    /// A policy of these witnesses, any `threshold` of which are enough.
    pub fn threshold(keys: Vec<VerifierKey>, threshold: usize) -> Self {
        let members = (0..keys.len()).map(Member::Witness).collect();
        let named = |key: VerifierKey| Witness { name: key.name().to_owned(), key, url: None };
        let quorum = (threshold > 0).then_some(Member::Group(0));
        let witnesses = keys.into_iter().map(named).collect();
        Self { logs: Vec::new(), witnesses, groups: vec![Group { threshold, members }], quorum }
    }

    /// Whether a checkpoint needs any witness at all.
    pub fn wants_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// The names of the witnesses whose cosignatures the checkpoint carries, and whether they are
    /// enough. The log's own signature is checked elsewhere.
    ///
    /// # Errors
    /// A cosignature that carries a known witness's name and id but is not its.
    pub fn check(&self, checkpoint: &SignedCheckpoint) -> Result<Witnessed<'_>, CheckpointError> {
        let keys: Vec<VerifierKey> = self.witnesses.iter().map(|w| w.key.clone()).collect();
        let found = checkpoint.cosignatures(&keys)?;
        let signed: Vec<bool> =
            keys.iter().map(|key| found.iter().any(|one| one.key == key)).collect();
        let names = self.witnesses.iter().zip(&signed).filter(|(_, signed)| **signed);
        let names = names.map(|(witness, _)| witness.name.as_str()).collect();
        let enough = self.quorum.is_none_or(|member| self.holds(member, &signed));
        Ok(Witnessed { names, enough })
    }

    /// Groups name only what stands before them, so this ends.
    fn holds(&self, member: Member, signed: &[bool]) -> bool {
        match member {
            Member::Witness(at) => signed.get(at).copied().unwrap_or(false),
            Member::Group(at) => self.groups.get(at).is_some_and(|group| {
                let held = group.members.iter().filter(|m| self.holds(**m, signed)).count();
                held >= group.threshold
            }),
        }
    }
}

/// Who has cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed<'p> {
    /// Names of the witnesses, as the policy has them.
    pub names: Vec<&'p str>,
    /// Whether the quorum holds.
    pub enough: bool,
}

#[derive(Default)]
struct Reader<'t> {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    names: HashMap<&'t str, Member>,
    used: HashSet<&'t str>,
    quorum: Option<Quorum>,
}

/// A quorum line; without a member it says `none`.
struct Quorum(Option<Member>);

impl<'t> Reader<'t> {
    fn definition(&mut self, items: &[&'t str]) -> Result<(), &'static str> {
        if self.logs.len() + self.witnesses.len() + self.groups.len() >= DEFINITIONS_MAX {
            return Err("more than 1,024 definitions");
        }
        match items {
            ["log", key, rest @ ..] if rest.len() <= 1 => {
                let key = read_key(key, KeyKind::Ed25519)?;
                if self.logs.iter().any(|other| other.public_key() == key.public_key()) {
                    return Err("this log stands here twice");
                }
                self.logs.push(key);
            }
            ["witness", name, key, rest @ ..] if rest.len() <= 1 => {
                let key = read_key(key, KeyKind::Cosignature)?;
                if self.witnesses.iter().any(|other| other.key.public_key() == key.public_key()) {
                    return Err("this witness stands here twice");
                }
                self.name(name, Member::Witness(self.witnesses.len()))?;
                let url = rest.first().map(|url| (*url).to_owned());
                self.witnesses.push(Witness { name: (*name).to_owned(), key, url });
            }
            ["group", name, threshold, members @ ..] if !members.is_empty() => {
                let members = members
                    .iter()
                    .map(|member| self.member(member))
                    .collect::<Result<Vec<_>, _>>()?;
                let threshold = match *threshold {
                    "any" => 1,
                    "all" => members.len(),
                    number => crate::checkpoint::decimal(number)
                        .and_then(|n| usize::try_from(n).ok())
                        .filter(|n| (1..=members.len()).contains(n))
                        .ok_or("the threshold is any, all or 1 to the number of members")?,
                };
                self.name(name, Member::Group(self.groups.len()))?;
                self.groups.push(Group { threshold, members });
            }
            ["quorum", name] => {
                if self.quorum.is_some() {
                    return Err("there is more than one quorum line");
                }
                let member = match *name {
                    "none" => None,
                    name => Some(*self.names.get(name).ok_or("this name is not defined yet")?),
                };
                self.quorum = Some(Quorum(member));
            }
            _ => return Err("a line is a log, witness, group or quorum"),
        }
        Ok(())
    }

    fn name(&mut self, name: &'t str, member: Member) -> Result<(), &'static str> {
        if name == "none" || self.names.insert(name, member).is_some() {
            return Err("this name is taken");
        }
        Ok(())
    }

    /// Each name counts in one group only, so that no witness counts twice.
    fn member(&mut self, name: &'t str) -> Result<Member, &'static str> {
        let member = *self.names.get(name).ok_or("this name is not defined yet")?;
        if self.used.insert(name) { Ok(member) } else { Err("this name is in a group already") }
    }
}

fn read_key(text: &str, kind: KeyKind) -> Result<VerifierKey, &'static str> {
    let key: VerifierKey = text.parse().map_err(|_| "the key does not read")?;
    if key.kind() == kind { Ok(key) } else { Err("the key is of the other kind") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{Cosigner, NoteSigner};
    use crate::{Checkpoint, empty_root};

    fn witness(n: u8) -> Cosigner {
        Cosigner::new(&format!("w{n}"), &[n; 32]).unwrap()
    }

    fn policy() -> String {
        let log = NoteSigner::new("log", &[99; 32]).unwrap();
        let mut text = format!("# ours\nlog {}\n\n", log.verifier());
        for n in 1..=3 {
            text += &format!("witness X{n}\t{} https://x{n}.example/\n", witness(n).verifier());
        }
        text += &format!("witness Y {}\ngroup X 2 X1 X2 X3\n", witness(4).verifier());
        text + "group both all X Y\nquorum both\n"
    }

    fn signed_by(witnesses: &[u8]) -> SignedCheckpoint {
        let log = NoteSigner::new("log", &[99; 32]).unwrap();
        let head = Checkpoint::new("log", 0, empty_root());
        let mut checkpoint = SignedCheckpoint::sign(head, &log).unwrap();
        witnesses.iter().for_each(|n| checkpoint.cosign(&witness(*n), 1_800_000_000).unwrap());
        checkpoint
    }

    #[test]
    fn a_quorum_of_groups_holds_as_it_is_written() {
        let policy = Policy::parse(&policy()).unwrap();
        let enough = |witnesses: &[u8]| policy.check(&signed_by(witnesses)).unwrap().enough;
        assert!(enough(&[1, 3, 4]));
        assert!(enough(&[1, 2, 3, 4]));
        assert!(!enough(&[1, 2, 3]), "Y is missing");
        assert!(!enough(&[1, 4]), "one X is not two");
        assert!(!enough(&[]));
        assert_eq!(policy.check(&signed_by(&[2, 9])).unwrap().names, ["X2"]);
    }

    #[test]
    fn what_the_specification_forbids_is_refused_with_its_line() {
        let vkey = witness(1).verifier().to_string();
        let log = NoteSigner::new("log", &[99; 32]).unwrap().verifier().to_string();
        for (text, line) in [
            (String::new(), 0),
            ("quorum none\nquorum none\n".into(), 2),
            ("quorum X\n".into(), 1),
            (format!("witness X {vkey}\nwitness Y {vkey}\nquorum none\n"), 2),
            (format!("witness none {vkey}\nquorum none\n"), 1),
            (format!("witness X {vkey}\ngroup G 2 X\nquorum G\n"), 2),
            (format!("witness X {vkey}\ngroup G 0 X\nquorum G\n"), 2),
            (format!("witness X {vkey}\ngroup G any X X\nquorum G\n"), 2),
            (format!("witness X {vkey}\ngroup G any X\ngroup H any X\nquorum G\n"), 3),
            (format!("group G any X\nwitness X {vkey}\nquorum G\n"), 1),
            (format!("witness X {log}\nquorum none\n"), 1),
            (format!("log {vkey}\nquorum none\n"), 1),
            ("what\u{7}\nquorum none\n".into(), 1),
        ] {
            assert_eq!(Policy::parse(&text).unwrap_err().line, line, "{text}");
        }
        assert!(!Policy::parse("quorum none\n").unwrap().wants_witnesses());
    }
}
