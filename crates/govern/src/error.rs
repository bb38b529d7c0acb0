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
            let key = self.place.split('.').next().filter(|key| !key.is_empty());
            let is_key = |line: &str| {
                key.is_some_and(|key| line.strip_prefix(key).is_some_and(|r| r.starts_with(':')))
            };
            self.line = text.lines().position(is_key).map(|at| at + 1);
            return;
        };
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let of_id = |line: &str| {
            let line = line.trim_start().trim_start_matches("- ").trim_start_matches('{');
            let value = line.strip_prefix("id:")?;
            let value = value.split([',', '#', '}']).next().unwrap_or_default();
            Some(bare(value))
        };
        let lines: Vec<&str> = text.lines().collect();
        let Some(at) = lines.iter().position(|line| of_id(line).as_deref() == Some(id)) else {
            return;
        };
        let end = lines.iter().skip(at + 1).position(|line| of_id(line).is_some());
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
}
