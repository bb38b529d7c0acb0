//! Building filters, and taking them apart for a planner.

use super::{Filter, Test, TextTerm};

impl Filter {
    /// Holds for every trace.
    pub const fn all() -> Self {
        Self::All
    }

    /// Holds when every member does. Nothing is everything.
    pub fn all_of(members: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for member in members {
            match member {
                Self::All => {}
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::All,
            1 => flat.swap_remove(0),
            _ => Self::And(flat),
        }
    }

    /// Holds when any member does. Without members it holds for no trace.
    pub fn any_of(members: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for member in members {
            match member {
                Self::All => return Self::All,
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::All.negate(),
            1 => flat.swap_remove(0),
            _ => Self::Or(flat),
        }
    }

    /// Holds when this one does not.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all_of([self, other])
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::any_of([self, other])
    }

    /// The filters that must all hold, so that a planner can pick one that an index answers.
    /// None for [`Filter::All`].
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All => &[],
            Self::And(members) => members,
            other => std::slice::from_ref(other),
        }
    }

    /// Every full-text term, wherever it stands.
    pub fn text_terms(&self) -> Vec<&TextTerm> {
        let mut terms = Vec::new();
        self.visit(&mut |test| {
            if let Test::Text(term) = test {
                terms.push(term);
            }
        });
        terms
    }

    /// Shows every test to `see`, in order.
    pub fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Test)) {
        match self {
            Self::All => {}
            Self::And(members) | Self::Or(members) => members.iter().for_each(|m| m.visit(see)),
            Self::Not(inner) => inner.visit(see),
            Self::Test(test) => see(test),
        }
    }
}

impl From<Test> for Filter {
    fn from(test: Test) -> Self {
        Self::Test(test)
    }
}
