//! The functions that expressions may call.

use std::rc::Rc;

use super::{
    eval::{Run, Stop},
    value::Val,
};

/// A function, resolved at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Func {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Lower,
    Upper,
    Trim,
    Split,
    Int,
    UInt,
    Double,
    Text,
    Bool,
    Dyn,
    Type,
    Duration,
    Timestamp,
}

impl Func {
    pub(super) fn named(name: &str, on_target: bool, args: usize) -> Result<Self, String> {
        let (func, wanted) = match name {
            "size" => (Self::Size, 1),
            "contains" => (Self::Contains, 2),
            "startsWith" => (Self::StartsWith, 2),
            "endsWith" => (Self::EndsWith, 2),
            "lowerAscii" => (Self::Lower, 1),
            "upperAscii" => (Self::Upper, 1),
            "trim" => (Self::Trim, 1),
            "split" => (Self::Split, 2),
            "int" => (Self::Int, 1),
            "uint" => (Self::UInt, 1),
            "double" => (Self::Double, 1),
            "string" => (Self::Text, 1),
            "bool" => (Self::Bool, 1),
            "dyn" => (Self::Dyn, 1),
            "type" => (Self::Type, 1),
            "duration" => (Self::Duration, 1),
            "timestamp" => (Self::Timestamp, 1),
            other => {
                return Err(format!(
                    "there is no function `{other}`; there are size, contains, startsWith, endsWith, matches, \
                     lowerAscii, upperAscii, trim, split, int, uint, double, string, bool, dyn, type, duration, \
                     timestamp, has, all, exists, exists_one, map, filter"
                ));
            }
        };
        let needs_target = matches!(
            func,
            Self::Contains
                | Self::StartsWith
                | Self::EndsWith
                | Self::Lower
                | Self::Upper
                | Self::Trim
                | Self::Split
        );
        if args != wanted || (needs_target && !on_target) {
            return Err(format!("`{name}` is called in another way, such as `text.{name}(…)`"));
        }
        Ok(func)
    }
}

const NO_TEXT: Stop = Stop::Fault("a function of texts was given something else");
const NO_NUMBER: Stop = Stop::Fault("this does not read as a number");

pub(super) fn call<'a>(
    run: &mut Run<'a, '_>,
    func: Func,
    args: &[Val<'a>],
) -> Result<Val<'a>, Stop> {
    let Some(first) = args.first() else { return Err(Stop::Fault("a function without argument")) };
    let texts = || -> Result<(&str, &str), Stop> {
        let second = args.get(1).and_then(Val::as_text).ok_or(NO_TEXT)?;
        Ok((first.as_text().ok_or(NO_TEXT)?, second))
    };
    if let Some(text) = first.as_text() {
        run.spend(text.len() / 32)?;
    } else if matches!(first, Val::User(_)) {
        return Err(Stop::Absent);
    }
    Ok(match func {
        Func::Size => {
            let size = match first.as_text() {
                Some(text) => Some(text.chars().count()),
                None => first.list_len().or_else(|| first.keys().map(|keys| keys.len())),
            };
            Val::Int(size.ok_or(Stop::Fault("`size` of something that has none"))? as i64)
        }
        Func::Contains => texts().map(|(a, b)| Val::Bool(a.contains(b)))?,
        Func::StartsWith => texts().map(|(a, b)| Val::Bool(a.starts_with(b)))?,
        Func::EndsWith => texts().map(|(a, b)| Val::Bool(a.ends_with(b)))?,
        Func::Lower => Val::Text(first.as_text().ok_or(NO_TEXT)?.to_ascii_lowercase().into()),
        Func::Upper => Val::Text(first.as_text().ok_or(NO_TEXT)?.to_ascii_uppercase().into()),
        Func::Trim => Val::Text(first.as_text().ok_or(NO_TEXT)?.trim().to_owned().into()),
        Func::Split => {
            let (text, separator) = texts()?;
            run.spend(text.len())?;
            let parts = text.split(separator).map(|part| Val::Text(part.to_owned().into()));
            Val::List(Rc::new(parts.collect()))
        }
        Func::Int => Val::Int(match first {
            Val::Int(n) => *n,
            Val::UInt(n) => i64::try_from(*n).map_err(|_| NO_NUMBER)?,
            Val::Double(n) if n.abs() < 9.2e18 => n.trunc() as i64,
            Val::Time(n) => n.div_euclid(1_000_000_000),
            other => other.as_text().and_then(|t| t.parse().ok()).ok_or(NO_NUMBER)?,
        }),
        Func::UInt => Val::UInt(match first {
            Val::UInt(n) => *n,
            Val::Int(n) => u64::try_from(*n).map_err(|_| NO_NUMBER)?,
            Val::Double(n) if (0.0..1.8e19).contains(n) => n.trunc() as u64,
            other => other.as_text().and_then(|t| t.parse().ok()).ok_or(NO_NUMBER)?,
        }),
        Func::Double => Val::Double(match first {
            Val::Double(n) => *n,
            Val::Int(n) => *n as f64,
            Val::UInt(n) => *n as f64,
            other => other.as_text().and_then(|t| t.parse().ok()).ok_or(NO_NUMBER)?,
        }),
        Func::Text => Val::Text(match first {
            Val::Int(n) => n.to_string().into(),
            Val::UInt(n) => n.to_string().into(),
            Val::Double(n) => n.to_string().into(),
            Val::Bool(b) => b.to_string().into(),
            other => other.as_text().ok_or(NO_TEXT)?.to_owned().into(),
        }),
        Func::Bool => Val::Bool(match first {
            Val::Bool(b) => *b,
            other => match other.as_text() {
                Some("true" | "True" | "TRUE" | "t" | "1") => true,
                Some("false" | "False" | "FALSE" | "f" | "0") => false,
                _ => return Err(Stop::Fault("this does not read as true or false")),
            },
        }),
        Func::Dyn => first.clone(),
        Func::Type => Val::Text(kind(first).into()),
        Func::Duration => match first {
            Val::Duration(n) => Val::Duration(*n),
            other => {
                let text = other.as_text().ok_or(NO_TEXT)?;
                let parsed = crate::policy::window::duration(text);
                Val::Duration(parsed.ok_or(Stop::Fault("this does not read as a duration"))?)
            }
        },
        Func::Timestamp => match first {
            Val::Time(n) => Val::Time(*n),
            other => {
                let time = exhibit_model::Nanos::parse_rfc3339(other.as_text().ok_or(NO_TEXT)?);
                Val::Time(time.ok_or(Stop::Fault("this does not read as a time"))?.0)
            }
        },
    })
}

fn kind(value: &Val<'_>) -> &'static str {
    match value {
        Val::Null => "null_type",
        Val::Bool(_) => "bool",
        Val::Int(_) => "int",
        Val::UInt(_) => "uint",
        Val::Double(_) => "double",
        Val::Text(_) | Val::User(_) => "string",
        Val::Duration(_) => "google.protobuf.Duration",
        Val::Time(_) => "google.protobuf.Timestamp",
        value if value.list_len().is_some() => "list",
        _ => "map",
    }
}
