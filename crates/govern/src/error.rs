//! Why rule files were refused.

use std::fmt;

/// One thing that is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// The file.
    pub file: String,
    /// The line, counted from 1, where it can be told.
    pub line: Option<usize>,
    /// Where in it, such as a detector's or rule's id with the key, or a line; empty for the whole file.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.place.is_empty() {
            write!(f, ": {}", self.place)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything that is wrong with a set of rule files; the rules in force stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RuleErrors {
    /// At least one.
    pub problems: Vec<RuleProblem>,
}

impl fmt::Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl RuleProblem {
    /// Finds the line that a problem is about: the one its message names, else that of the rule or
    /// detector, and within it that of the key.
    pub(crate) fn locate(&mut self, text: &str) {
        if self.line.is_some() {
            return;
        }
        let mut words = self.message.split("at line ").skip(1);
        if let Some(number) = words.next().and_then(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..digits].parse().ok()
        }) {
            self.line = Some(number);
            return;
        }
        let Some(id) = self.place.split('`').nth(1) else {
            if self.message.starts_with(MISSING) {
                self.line = Some(first_line(text));
                return;
            }
            let key = self.place.split('.').next().filter(|key| !key.is_empty());
            let is_key = |line: &str| {
                key.is_some_and(|key| line.strip_prefix(key).is_some_and(|r| r.starts_with(':')))
            };
            self.line = text.lines().position(is_key).map(|at| at + 1);
            return;
        };
        let lines: Vec<&str> = text.lines().collect();
        let Some(at) = lines.iter().position(|line| id_in(line) == Some(id)) else {
            return;
        };
        let end = lines.iter().skip(at + 1).position(|line| id_in(line).is_some());
        let end = end.map_or(lines.len(), |n| at + 1 + n);
        // The message begins with the key's path: `when.all[1].expr: …`.
        let path = self.message.split(": ").next().unwrap_or_default().replace('`', "");
        let last = path.rsplit('.').next().unwrap_or_default();
        let last = last.split('[').next().unwrap_or_default();
        let named = |line: &&str| !last.is_empty() && line.contains(&format!("{last}:"));
        let inner = lines[at..end].iter().position(named).unwrap_or(0);
        self.line = Some(at + inner + 1);
    }
}

/// How the reader of YAML begins to say that a key is not there; it names no line.
const MISSING: &str = "missing field";

/// The first line that says something, counted from 1: where a key of the whole file would stand.
pub(crate) fn first_line(text: &str) -> usize {
    let says = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && line != "---"
    };
    text.lines().position(says).map_or(1, |at| at + 1)
}

/// The lines, counted from 1, on which things with this id begin.
pub(crate) fn lines_of(text: &str, id: &str) -> Vec<usize> {
    let lines = text.lines().zip(1..);
    lines.filter(|(line, _)| id_in(line) == Some(id)).map(|(_, number)| number).collect()
}

/// The id that a line gives.
fn id_in(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("- ").trim_start_matches('{');
    let value = line.trim_start().strip_prefix("id:")?;
    let value = value.split([',', '#', '}']).next().unwrap_or_default();
    Some(value.trim().trim_matches(['"', '\'']))
}

/// Collects the problems of one file.
pub(crate) struct Problems<'a> {
    pub(crate) file: &'a str,
    pub(crate) all: &'a mut Vec<RuleProblem>,
}

impl Problems<'_> {
    pub(crate) fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.all.push(RuleProblem {
            file: self.file.to_owned(),
            line: None,
            place: place.into(),
            message: message.into(),
        });
    }

    /// The same, where the line is known.
    pub(crate) fn add_at(
        &mut self,
        line: Option<usize>,
        place: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(place, message);
        if let Some(last) = self.all.last_mut() {
            last.line = line;
        }
    }

    /// A thing that stands twice: at the second place, naming the first.
    pub(crate) fn add_twin(&mut self, place: String, kind: &str, id: &str, nth: usize, text: &str) {
        let lines = lines_of(text, id);
        let first = lines.first().map_or_else(String::new, |line| format!(", at line {line},"));
        let line = lines.get(nth).copied();
        self.add_at(
            line,
            place,
            format!("another {kind} here{first} has this id; give one of them another"),
        );
    }
}
