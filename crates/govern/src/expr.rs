//! Expressions of rules, in CEL (the Common Expression Language): `span.cost_usd > 0.5 && !(span.provider in data.eu)`.
//!
//! The `cel` crate reads the text; what it read is compiled, once, to a small tree over the fields of spans and
//! traces, with patterns built and names resolved. Evaluation borrows from the span, counts its steps, and
//! stops at [`STEPS_MAX`]: there are no loops but those over lists that are there, so work is bounded.
//!
//! Left out, and refused at load: bytes, messages, and time zones. A field that is not there makes the
//! comparison it stands in say nothing (as `has()` would have told), never an error.

mod call;
mod eval;
mod value;

use cel::{
    common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators as op},
    parser::Parser,
};
use exhibit_model::{Json, Span};
use regex::Regex;

use crate::policy::{reads::Reads, trace::TraceView};

pub(crate) use call::Func;
pub(crate) use eval::Stop;

/// Longest expression, bytes.
const EXPR_BYTES_MAX: usize = 4_096;
/// Deepest nesting of an expression.
const DEPTH_MAX: usize = 64;
/// Largest compiled pattern of `matches`, bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Steps after which an evaluation is cut off: one per node and one per element or 32 bytes looked at.
pub(crate) const STEPS_MAX: u64 = 200_000;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Program {
    node: Node,
    /// Whether it reads texts that a redaction may have replaced.
    pub(crate) reads_text: bool,
    /// What it looks at.
    pub(crate) reads: Reads,
}

/// What an expression sees.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// `span`.
    pub(crate) span: Option<&'a Span>,
    /// `trace`.
    pub(crate) trace: Option<&'a TraceView<'a>>,
    /// `data`: the constants of the policy.
    pub(crate) data: &'a Json,
}

/// The roots that a text may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    Span,
    Trace,
    Data,
}

#[derive(Debug)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(String),
    Root(Root),
    /// A variable of a macro, by its place on the stack.
    Local(usize),
    Select(Box<Node>, String),
    Has(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    NotFalse(Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Negate(Box<Node>),
    In(Box<Node>, Box<Node>),
    Matches(Box<Node>, Box<Regex>),
    Call(Func, Vec<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Fold(Box<Fold>),
}

/// A macro over a list: `exists`, `all`, `exists_one`, `map`, `filter`.
#[derive(Debug)]
pub(crate) struct Fold {
    range: Node,
    init: Node,
    cond: Node,
    step: Node,
    result: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Program {
    /// Compiles an expression; the error says what is wrong and where in it.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > EXPR_BYTES_MAX {
            return Err(format!("an expression is at most {EXPR_BYTES_MAX} bytes long"));
        }
        let parsed = Parser::new().max_recursion_depth(96).parse(text).map_err(|errors| {
            let shown = errors.errors.iter().map(|e| {
                format!("line {}, column {}: {}", e.pos.0.max(1), e.pos.1.max(0) + 1, e.msg)
            });
            format!("does not read as CEL: {}", shown.collect::<Vec<_>>().join("; "))
        })?;
        let mut build = Build { locals: Vec::new(), reads_text: false, reads: Reads::default() };
        let node = build.node(&parsed, 0)?;
        Ok(Self { node, reads_text: build.reads_text, reads: build.reads })
    }

    /// Whether it holds. A field that is not there makes it not hold; a fault is an error.
    pub(crate) fn holds(&self, scene: &Scene<'_>) -> Result<bool, Stop> {
        match eval::run(&self.node, scene) {
            Ok(value::Val::Bool(holds)) => Ok(holds),
            Ok(_) => Err(Stop::Fault("the expression is neither true nor false")),
            Err(Stop::Absent) => Ok(false),
            Err(stop) => Err(stop),
        }
    }
}

struct Build {
    locals: Vec<String>,
    reads_text: bool,
    reads: Reads,
}

impl Build {
    fn boxed(&mut self, expr: &IdedExpr, depth: usize) -> Result<Box<Node>, String> {
        self.node(expr, depth).map(Box::new)
    }

    /// What a field is taken of: a root here is not looked at as a whole.
    fn operand(&mut self, expr: &IdedExpr, depth: usize) -> Result<Box<Node>, String> {
        let root = match &expr.expr {
            Expr::Ident(name) if !self.locals.contains(name) => match name.as_str() {
                "span" => Some(Root::Span),
                "trace" => Some(Root::Trace),
                _ => None,
            },
            _ => None,
        };
        root.map_or_else(|| self.boxed(expr, depth), |root| Ok(Box::new(Node::Root(root))))
    }

    /// Notes a field that is looked at. What a variable stands for is not known: its fields are noted as
    /// if they were a span's, or else a finding's.
    fn note(&mut self, operand: &Node, field: &str) {
        const OF_FINDINGS: [&str; 9] = [
            "rule",
            "detector",
            "entity",
            "category",
            "severity",
            "part",
            "score",
            "validated",
            "redacted",
        ];
        match operand {
            Node::Root(Root::Data) => {}
            Node::Root(_) if field == "user" => self.reads.context = true,
            Node::Root(_) => self.reads.field(field),
            Node::Select(_, of) | Node::Has(_, of) if of == "metadata" => {}
            // `user.region` may stand among the raw attributes.
            Node::Select(_, of) if of == "user" => self.reads.whole |= field != "id",
            Node::Local(_) if OF_FINDINGS.contains(&field) => {}
            Node::Local(_) => self.reads.field(field),
            Node::Select(of, _) if of_data(of) => {}
            _ => self.reads.whole = true,
        }
    }

    fn node(&mut self, expr: &IdedExpr, depth: usize) -> Result<Node, String> {
        if depth > DEPTH_MAX {
            return Err(format!("the expression is nested deeper than {DEPTH_MAX}"));
        }
        let depth = depth + 1;
        Ok(match &expr.expr {
            Expr::Unspecified => return Err("the expression is empty".to_owned()),
            Expr::Literal(literal) => match literal {
                LiteralValue::Null => Node::Null,
                LiteralValue::Boolean(b) => Node::Bool(*b.inner()),
                LiteralValue::Int(n) => Node::Int(*n.inner()),
                LiteralValue::UInt(n) => Node::UInt(*n.inner()),
                LiteralValue::Double(n) => Node::Double(*n.inner()),
                LiteralValue::String(text) => Node::Text(text.inner().to_owned()),
                LiteralValue::Bytes(_) => return Err("bytes are not supported".to_owned()),
            },
            Expr::Ident(name) => match self.locals.iter().rposition(|local| local == name) {
                Some(place) => Node::Local(place),
                None => match name.as_str() {
                    // Beside a field of it, as in `span.model`, it is looked at as a whole.
                    "span" | "trace" => {
                        self.reads.whole = true;
                        Node::Root(if name == "span" { Root::Span } else { Root::Trace })
                    }
                    "data" => Node::Root(Root::Data),
                    other => {
                        return Err(format!(
                            "there is no `{other}`; there are span, trace and data"
                        ));
                    }
                },
            },
            Expr::Select(select) => {
                let operand = self.operand(&select.operand, depth)?;
                if let Node::Root(root) = *operand {
                    value::check_field(root, &select.field)?;
                }
                self.note(&operand, &select.field);
                self.reads_text |= matches!(
                    select.field.as_str(),
                    "input" | "output" | "attributes" | "name" | "metadata"
                );
                if select.test {
                    Node::Has(operand, select.field.clone())
                } else {
                    Node::Select(operand, select.field.clone())
                }
            }
            Expr::List(list) => Node::List(
                list.elements.iter().map(|e| self.node(e, depth)).collect::<Result<_, _>>()?,
            ),
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err("messages are not supported".to_owned());
                    };
                    entries.push((self.node(&entry.key, depth)?, self.node(&entry.value, depth)?));
                }
                Node::Map(entries)
            }
            Expr::Struct(_) => return Err("messages are not supported".to_owned()),
            Expr::Comprehension(fold) => {
                let range = self.node(&fold.iter_range, depth)?;
                let init = self.node(&fold.accu_init, depth)?;
                self.locals.push(fold.accu_var.clone());
                self.locals.push(fold.iter_var.clone());
                let inner = self.fold_inner(fold, depth);
                self.locals.truncate(self.locals.len().saturating_sub(2));
                let (cond, step) = inner?;
                self.locals.push(fold.accu_var.clone());
                let result = self.node(&fold.result, depth);
                self.locals.pop();
                Node::Fold(Box::new(Fold { range, init, cond, step, result: result? }))
            }
            Expr::Call(call) => {
                return self.call(&call.func_name, call.target.as_deref(), &call.args, depth);
            }
        })
    }

    fn fold_inner(
        &mut self,
        fold: &cel::common::ast::ComprehensionExpr,
        depth: usize,
    ) -> Result<(Node, Node), String> {
        if fold.iter_var2.is_some() {
            return Err("macros with two variables are not supported".to_owned());
        }
        Ok((self.node(&fold.loop_cond, depth)?, self.node(&fold.loop_step, depth)?))
    }

    fn call(
        &mut self,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
        depth: usize,
    ) -> Result<Node, String> {
        let binary = match name {
            op::ADD => Some(Binary::Add),
            op::SUBSTRACT => Some(Binary::Subtract),
            op::MULTIPLY => Some(Binary::Multiply),
            op::DIVIDE => Some(Binary::Divide),
            op::MODULO => Some(Binary::Modulo),
            op::EQUALS => Some(Binary::Equal),
            op::NOT_EQUALS => Some(Binary::NotEqual),
            op::LESS => Some(Binary::Less),
            op::LESS_EQUALS => Some(Binary::AtMost),
            op::GREATER => Some(Binary::Greater),
            op::GREATER_EQUALS => Some(Binary::AtLeast),
            _ => None,
        };
        match (name, target, args) {
            (_, None, [a, b]) if binary.is_some() => {
                let (a, b) = (self.boxed(a, depth)?, self.boxed(b, depth)?);
                Ok(Node::Binary(binary.unwrap_or(Binary::Add), a, b))
            }
            (op::LOGICAL_AND, None, [a, b]) => {
                Ok(Node::And(self.boxed(a, depth)?, self.boxed(b, depth)?))
            }
            (op::LOGICAL_OR, None, [a, b]) => {
                Ok(Node::Or(self.boxed(a, depth)?, self.boxed(b, depth)?))
            }
            (op::LOGICAL_NOT, None, [a]) => Ok(Node::Not(self.boxed(a, depth)?)),
            (op::NOT_STRICTLY_FALSE, None, [a]) => Ok(Node::NotFalse(self.boxed(a, depth)?)),
            (op::NEGATE, None, [a]) => Ok(Node::Negate(self.boxed(a, depth)?)),
            (op::CONDITIONAL, None, [a, b, c]) => {
                Ok(Node::If(self.boxed(a, depth)?, self.boxed(b, depth)?, self.boxed(c, depth)?))
            }
            (op::INDEX, None, [a, b]) => {
                Ok(Node::Index(self.boxed(a, depth)?, self.boxed(b, depth)?))
            }
            (op::IN, None, [a, b]) => Ok(Node::In(self.boxed(a, depth)?, self.boxed(b, depth)?)),
            ("matches", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
                let Expr::Literal(LiteralValue::String(pattern)) = &pattern.expr else {
                    return Err("`matches` needs its pattern as a text, not computed".to_owned());
                };
                let built = regex::RegexBuilder::new(pattern.inner())
                    .size_limit(PATTERN_BYTES_MAX)
                    .build()
                    .map_err(|error| format!("`matches`: {error}"))?;
                Ok(Node::Matches(self.boxed(text, depth)?, Box::new(built)))
            }
            _ => {
                let nodes = target.into_iter().chain(args).map(|arg| self.node(arg, depth));
                let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
                let func = Func::named(name, target.is_some(), nodes.len())?;
                Ok(Node::Call(func, nodes))
            }
        }
    }
}

/// Whether a value is one of the policy's constants.
fn of_data(node: &Node) -> bool {
    match node {
        Node::Root(root) => *root == Root::Data,
        Node::Select(of, _) | Node::Index(of, _) => of_data(of),
        _ => false,
    }
}
