//! Evaluation of compiled expressions, within a budget of steps.

use std::{cmp::Ordering, rc::Rc};

use super::{Binary, Fold, Node, Root, STEPS_MAX, Scene, call, value::Val};

/// Why an evaluation has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It asks for something that is not there.
    Absent,
    /// It cannot be computed; never text from the span.
    Fault(&'static str),
}

type Outcome<'a> = Result<Val<'a>, Stop>;

pub(super) struct Run<'a, 's> {
    scene: &'s Scene<'a>,
    locals: Vec<Val<'a>>,
    steps: u64,
}

pub(super) fn run<'a>(node: &'a Node, scene: &Scene<'a>) -> Outcome<'a> {
    Run { scene, locals: Vec::new(), steps: 0 }.node(node)
}

impl<'a> Run<'a, '_> {
    /// Counts work done.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > STEPS_MAX {
            return Err(Stop::Fault("the expression took more steps than it may"));
        }
        Ok(())
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, Stop> {
        match self.node(node)? {
            Val::Bool(b) => Ok(b),
            _ => Err(Stop::Fault("a condition is neither true nor false")),
        }
    }

    pub(super) fn node(&mut self, node: &'a Node) -> Outcome<'a> {
        self.spend(1)?;
        Ok(match node {
            Node::Null => Val::Null,
            Node::Bool(b) => Val::Bool(*b),
            Node::Int(n) => Val::Int(*n),
            Node::UInt(n) => Val::UInt(*n),
            Node::Double(n) => Val::Double(*n),
            Node::Text(text) => Val::Text(text.as_str().into()),
            Node::Root(Root::Span) => self.scene.span.map(Val::Span).ok_or(Stop::Absent)?,
            Node::Root(Root::Trace) => self.scene.trace.map(Val::Trace).ok_or(Stop::Absent)?,
            Node::Root(Root::Data) => Val::json(self.scene.data),
            Node::Local(place) => {
                self.locals.get(*place).cloned().ok_or(Stop::Fault("a variable is missing"))?
            }
            Node::Select(of, field) => self.node(of)?.select(field)?,
            Node::Has(of, field) => {
                let found = match self.node(of) {
                    Ok(value) => value.select(field),
                    Err(stop) => Err(stop),
                };
                match found {
                    Ok(_) => Val::Bool(true),
                    Err(Stop::Absent) => Val::Bool(false),
                    Err(stop) => return Err(stop),
                }
            }
            Node::Index(of, key) => {
                let (of, key) = (self.node(of)?, self.node(key)?);
                of.index(&key)?
            }
            // As CEL has it: what one side decides holds whatever the other is.
            Node::And(a, b) => match self.truth(a) {
                Ok(false) => Val::Bool(false),
                Ok(true) => Val::Bool(self.truth(b)?),
                Err(stop) => match self.truth(b) {
                    Ok(false) => Val::Bool(false),
                    _ => return Err(stop),
                },
            },
            Node::Or(a, b) => match self.truth(a) {
                Ok(true) => Val::Bool(true),
                Ok(false) => Val::Bool(self.truth(b)?),
                Err(stop) => match self.truth(b) {
                    Ok(true) => Val::Bool(true),
                    _ => return Err(stop),
                },
            },
            Node::Not(a) => Val::Bool(!self.truth(a)?),
            Node::NotFalse(a) => Val::Bool(!matches!(self.truth(a), Ok(false))),
            Node::If(cond, yes, no) => {
                if self.truth(cond)? {
                    self.node(yes)?
                } else {
                    self.node(no)?
                }
            }
            Node::Binary(op, a, b) => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                self.binary(*op, a, b)?
            }
            Node::Negate(a) => match self.node(a)? {
                Val::Int(n) => Val::Int(n.checked_neg().ok_or(OVERFLOW)?),
                Val::Double(n) => Val::Double(-n),
                Val::Duration(n) => Val::Duration(n.checked_neg().ok_or(OVERFLOW)?),
                _ => return Err(Stop::Fault("a minus before something that is no number")),
            },
            Node::In(a, b) => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                Val::Bool(self.contains(&b, &a)?)
            }
            Node::Matches(text, pattern) => {
                let text = self.node(text)?;
                let text =
                    text.as_text().ok_or(Stop::Fault("`matches` of something that is no text"))?;
                self.spend(text.len() / 32)?;
                Val::Bool(pattern.is_match(text))
            }
            Node::Call(func, args) => {
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    values.push(self.node(arg)?);
                }
                call::call(self, *func, &values)?
            }
            Node::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(self.node(item)?);
                }
                Val::List(Rc::new(values))
            }
            Node::Map(entries) => {
                let mut values: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.node(key)?;
                    for (known, _) in &values {
                        if known.equals(&key)? {
                            return Err(Stop::Fault("a key stands twice in a map"));
                        }
                    }
                    values.push((key, self.node(value)?));
                }
                Val::Map(Rc::new(values))
            }
            Node::Fold(fold) => self.fold(fold)?,
        })
    }

    fn fold(&mut self, fold: &'a Fold) -> Outcome<'a> {
        let range = self.node(&fold.range)?;
        let range = match (range.list_len(), range.keys()) {
            (Some(_), _) => range,
            (None, Some(keys)) => Val::List(Rc::new(keys)),
            (None, None) => return Err(Stop::Fault("a macro over something that is no list")),
        };
        let place = self.locals.len();
        let init = self.node(&fold.init)?;
        self.locals.push(init);
        let result = self.folded(fold, &range, place);
        self.locals.truncate(place);
        result
    }

    fn folded(&mut self, fold: &'a Fold, range: &Val<'a>, place: usize) -> Outcome<'a> {
        for at in 0..range.list_len().unwrap_or(0) {
            self.spend(1)?;
            let Some(item) = range.item(at) else { break };
            self.locals.push(item);
            let go_on = self.truth(&fold.cond)?;
            let next = if go_on { Some(self.node(&fold.step)) } else { None };
            self.locals.truncate(place + 1);
            match next {
                None => break,
                Some(Ok(value)) => self.locals[place] = value,
                // An element that lacks the field says nothing; the others may.
                Some(Err(Stop::Absent)) => {}
                Some(Err(stop)) => return Err(stop),
            }
        }
        self.node(&fold.result)
    }

    fn contains(&mut self, all: &Val<'a>, one: &Val<'a>) -> Result<bool, Stop> {
        if let Val::User(span) = one
            && span.user.is_none()
        {
            return Err(Stop::Absent);
        }
        if let Some(len) = all.list_len() {
            self.spend(len)?;
            for at in 0..len {
                if let Some(item) = all.item(at)
                    && item.equals(one)?
                {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        match (all.keys(), one.as_text()) {
            (Some(_), Some(key)) if !matches!(all, Val::Map(_)) => Ok(all.select(key).is_ok()),
            (Some(keys), _) => {
                self.spend(keys.len())?;
                for key in keys {
                    if key.equals(one)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (None, _) => Err(Stop::Fault("`in` something that is no list")),
        }
    }

    fn binary(&mut self, op: Binary, a: Val<'a>, b: Val<'a>) -> Outcome<'a> {
        let order = |wanted: &dyn Fn(Ordering) -> bool| -> Outcome<'a> {
            Ok(Val::Bool(a.compare(&b)?.is_some_and(wanted)))
        };
        match op {
            Binary::Equal => Ok(Val::Bool(a.equals(&b)?)),
            Binary::NotEqual => Ok(Val::Bool(!a.equals(&b)?)),
            Binary::Less => order(&Ordering::is_lt),
            Binary::AtMost => order(&Ordering::is_le),
            Binary::Greater => order(&Ordering::is_gt),
            Binary::AtLeast => order(&Ordering::is_ge),
            _ => self.arithmetic(op, &a, &b),
        }
    }

    fn arithmetic(&mut self, op: Binary, a: &Val<'a>, b: &Val<'a>) -> Outcome<'a> {
        if op == Binary::Add {
            if let (Some(x), Some(y)) = (a.as_text(), b.as_text()) {
                self.spend((x.len() + y.len()) / 32)?;
                return Ok(Val::Text(format!("{x}{y}").into()));
            }
            if let (Some(x), Some(y)) = (a.list_len(), b.list_len()) {
                self.spend(x.saturating_add(y))?;
                let items =
                    (0..x).filter_map(|n| a.item(n)).chain((0..y).filter_map(|n| b.item(n)));
                return Ok(Val::List(Rc::new(items.collect())));
            }
        }
        if matches!(op, Binary::Divide | Binary::Modulo) && matches!(b, Val::Int(0) | Val::UInt(0))
        {
            return Err(Stop::Fault("a division by zero"));
        }
        Ok(match (a, b) {
            (Val::Int(a), Val::Int(b)) => Val::Int(
                match op {
                    Binary::Add => a.checked_add(*b),
                    Binary::Subtract => a.checked_sub(*b),
                    Binary::Multiply => a.checked_mul(*b),
                    Binary::Divide => a.checked_div(*b),
                    _ => a.checked_rem(*b),
                }
                .ok_or(OVERFLOW)?,
            ),
            (Val::UInt(a), Val::UInt(b)) => Val::UInt(
                match op {
                    Binary::Add => a.checked_add(*b),
                    Binary::Subtract => a.checked_sub(*b),
                    Binary::Multiply => a.checked_mul(*b),
                    Binary::Divide => a.checked_div(*b),
                    _ => a.checked_rem(*b),
                }
                .ok_or(OVERFLOW)?,
            ),
            (Val::Double(a), Val::Double(b)) => Val::Double(match op {
                Binary::Add => a + b,
                Binary::Subtract => a - b,
                Binary::Multiply => a * b,
                Binary::Divide => a / b,
                _ => return Err(Stop::Fault("a remainder of fractions")),
            }),
            // Amounts and counts meet in rules: `span.cost_usd * 100`.
            (Val::Double(_), Val::Int(b)) => self.arithmetic(op, a, &Val::Double(*b as f64))?,
            (Val::Int(x), Val::Double(_)) => self.arithmetic(op, &Val::Double(*x as f64), b)?,
            (Val::Time(a), Val::Time(b)) if op == Binary::Subtract => {
                Val::Duration(a.checked_sub(*b).ok_or(OVERFLOW)?)
            }
            (Val::Time(a), Val::Duration(b)) => Val::Time(plus_minus(op, *a, *b)?),
            (Val::Duration(a), Val::Time(b)) if op == Binary::Add => {
                Val::Time(a.checked_add(*b).ok_or(OVERFLOW)?)
            }
            (Val::Duration(a), Val::Duration(b)) => Val::Duration(plus_minus(op, *a, *b)?),
            _ => return Err(Stop::Fault("arithmetic with something that is no number")),
        })
    }
}

const OVERFLOW: Stop = Stop::Fault("a number is too large");

fn plus_minus(op: Binary, a: i64, b: i64) -> Result<i64, Stop> {
    match op {
        Binary::Add => a.checked_add(b).ok_or(OVERFLOW),
        Binary::Subtract => a.checked_sub(b).ok_or(OVERFLOW),
        _ => Err(Stop::Fault("arithmetic with something that is no number")),
    }
}
