//! Query parameters of lists, which are sugar over the filter language.

use std::fmt::Write;

use exhibit_model::Nanos;
use exhibit_recorder::Error;
use exhibit_store::{Filter, Order, filter::Field};
use utoipa::IntoParams;

use crate::problem::Problem;

/// Rows of a page unless asked otherwise.
const LIMIT: usize = 50;

/// What a list is asked for. Described here; read by [`query`], since every field of the filter
/// language is a parameter too.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes the parameters; `query` reads them")]
pub(crate) struct ListParams {
    /// A filter: `status = error and cost > 0.25 and not tag = test`. Times may be relative (`-7d`).
    #[param(example = "status = error and latency > 2s")]
    filter: Option<String>,
    /// Words or a "quoted phrase" to find in inputs, outputs and tool arguments.
    q: Option<String>,
    /// Started at or after: RFC 3339, a date, nanoseconds, or an offset such as `-24h`.
    from: Option<String>,
    /// Started before.
    to: Option<String>,
    /// `running`, `ok`, `error` or `incomplete`; repeat for several.
    status: Option<String>,
    /// Kind of any span.
    kind: Option<String>,
    /// Model of any span.
    model: Option<String>,
    /// Provider of any span.
    provider: Option<String>,
    /// Agent.
    agent: Option<String>,
    /// Session.
    session: Option<String>,
    /// End user.
    user: Option<String>,
    /// Environment.
    environment: Option<String>,
    /// Tag; repeat for any of several.
    tag: Option<String>,
    /// Tool of any span.
    tool: Option<String>,
    /// `pass`, `warning`, `fail`, `review` or `quarantined`.
    verdict: Option<String>,
    /// A rule that spoke against it: its id, or `policy/rule`.
    rule: Option<String>,
    /// Category of any finding: `pii`, `secret`, `injection` or `term`.
    category: Option<String>,
    /// How a review of it stands: `waiting`, `open`, `claimed`, `approved`, `rejected`, `escalated`,
    /// `expired` or `closed`.
    review: Option<String>,
    /// At least so many US dollars.
    min_cost: Option<String>,
    /// At most so many US dollars.
    max_cost: Option<String>,
    /// At least so many tokens.
    min_tokens: Option<String>,
    /// At most so many tokens.
    max_tokens: Option<String>,
    /// At least so long: `1.5s`, `200ms`.
    min_latency: Option<String>,
    /// At most so long.
    max_latency: Option<String>,
    /// Rows of a page, 1 to 1,000.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `newest` (first) or `oldest`.
    order: Option<String>,
}

/// A list query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// In the filter language.
    pub(crate) filter: String,
    pub(crate) order: Order,
    pub(crate) cursor: Option<String>,
    pub(crate) limit: usize,
}

/// Reads the parameters of a list. Repeated parameters mean any of the values; different ones must
/// all hold.
pub(crate) fn query(pairs: Vec<(String, String)>) -> Result<Query, Problem> {
    let mut query =
        Query { filter: String::new(), order: Order::Newest, cursor: None, limit: LIMIT };
    let mut terms: Vec<String> = Vec::new();
    let mut equal: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in pairs {
        if value.trim().is_empty() {
            continue;
        }
        match name.as_str() {
            "workspace" => {}
            "filter" => {
                stands_alone(&value)?;
                terms.push(format!("({value})"));
            }
            "q" => terms.extend(words(&value)),
            "from" => terms.push(format!("time >= {}", quoted(&stamp(&value)))),
            "to" => terms.push(format!("time < {}", quoted(&stamp(&value)))),
            "cursor" => query.cursor = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|n| *n >= 1);
                query.limit = limit.ok_or_else(|| {
                    Problem::bad("parameters", "limit must be a whole number of at least 1.")
                })?;
            }
            "order" => {
                query.order = match value.as_str() {
                    "newest" | "desc" => Order::Newest,
                    "oldest" | "asc" => Order::Oldest,
                    _ => {
                        let detail = "order must be newest or oldest.";
                        return Err(Problem::bad("parameters", detail));
                    }
                }
            }
            _ => {
                if let Some(term) = bound(&name, &value) {
                    terms.push(term);
                    continue;
                }
                let field = field(&name)?;
                match equal.iter_mut().find(|(held, _)| *held == field) {
                    Some((_, values)) => values.push(value),
                    None => equal.push((field, vec![value])),
                }
            }
        }
    }
    for (field, values) in equal {
        let values: Vec<_> = values.iter().map(|v| quoted(v)).collect();
        terms.push(format!("{field} in ({})", values.join(", ")));
    }
    query.filter = terms.join(" and ");
    Ok(query)
}

/// Whether a filter reads by itself: a mistake in it is told where it stands in what was sent, and
/// nothing in it ends the brackets that the other parameters stand beside.
fn stands_alone(filter: &str) -> Result<(), Problem> {
    // What relative times count from does not matter here.
    match Filter::parse(filter, Nanos(i64::MAX / 2)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let (position, message) = (error.position, error.to_string());
            Err(Error::Filter { position, message }.into())
        }
    }
}

/// `min_…` and `max_…` of a field that has an order.
fn bound(name: &str, value: &str) -> Option<String> {
    let (field, op) = match (name.strip_prefix("min_"), name.strip_prefix("max_")) {
        (Some(field), _) => (field, ">="),
        (None, Some(field)) => (field, "<="),
        (None, None) => return None,
    };
    if let Some(field) = field.strip_suffix("_ms") {
        return Some(format!("{field} {op} {}", quoted(&format!("{value}ms"))));
    }
    Some(format!("{field} {op} {}", quoted(value)))
}

/// The name of a field as a filter writes it. The mission's names mean the same.
fn field(name: &str) -> Result<String, Problem> {
    let known = match name {
        "agent_name" => "agent",
        "session_id" => "session",
        "user_id" => "user",
        "trace_id" => "id",
        name => name,
    };
    if Field::parse(known).is_some() {
        return Ok(match known.split_once('.') {
            Some((prefix, key)) => format!("{prefix}.{}", quoted(key)),
            None => known.to_owned(),
        });
    }
    let fields: Vec<_> = Field::names().filter(|n| *n != "text").collect();
    let detail = format!(
        "There is no parameter `{name}`. There are filter, q, from, to, limit, cursor, order, min_… \
         and max_…, and the fields {}.",
        fields.join(", ")
    );
    Err(Problem::bad("parameters", detail))
}

/// A plus in a query is a space: put it back where it was an offset.
fn stamp(value: &str) -> String {
    let value = value.trim();
    if value.contains('T') { value.replace(' ', "+") } else { value.to_owned() }
}

/// Words to search for: each one for itself, a quoted phrase as one.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (at, piece) in text.split('"').enumerate() {
        if at % 2 == 1 {
            out.push(piece.trim().to_owned());
        } else {
            out.extend(piece.split_whitespace().map(ToOwned::to_owned));
        }
    }
    out.retain(|word| !word.is_empty());
    out.iter().map(|word| quoted(word)).collect()
}

/// A value that reads back as it is, whatever stands in it.
pub(crate) fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        let _ = out.write_char(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Query, Problem> {
        query(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn parameters_say_the_same_as_the_filter_language() {
        let same = [
            (
                vec![("status", "error"), ("model", "gpt-4o")],
                r#"status = error and model = "gpt-4o""#,
            ),
            (vec![("tag", "a"), ("tag", "b")], "tag in (a, b)"),
            (vec![("filter", "a or b"), ("user", "u")], "(a or b) and user = u"),
            (
                vec![("min_cost", "0.25"), ("max_latency_ms", "200")],
                "cost >= 0.25 and latency <= 200ms",
            ),
            (vec![("from", "-7d"), ("to", "now")], "time >= -7d and time < now"),
            (vec![("metadata.team x", "blue")], r#"metadata."team x" = blue"#),
            (vec![("agent_name", r#"a "quoted" \ name"#)], r#"agent = "a \"quoted\" \\ name""#),
            (vec![("q", r#"hello "connection reset""#)], r#""hello" "connection reset""#),
        ];
        let now = Nanos(1_800_000_000_000_000_000);
        for (pairs, filter) in same {
            let built = read(&pairs).unwrap().filter;
            let built = Filter::parse(&built, now).unwrap_or_else(|e| panic!("{built}: {e}"));
            assert_eq!(built, Filter::parse(filter, now).unwrap(), "{filter}");
        }
    }

    #[test]
    fn a_filter_is_read_by_itself_before_it_stands_beside_other_parameters() {
        for (filter, at) in [("\"", 0), ("agent = a) or (agent = b", 9), ("agent = a or", 12)] {
            let problem = read(&[("filter", filter), ("from", "-7d")]).unwrap_err();
            assert_eq!(problem.code, "filter", "{filter}");
            let told = Filter::parse(filter, Nanos(0)).unwrap_err().position;
            assert!(told.abs_diff(at) <= 1, "{filter}: told {told}");
        }
    }

    #[test]
    fn what_is_mistyped_is_refused() {
        for pairs in [[("modle", "x")], [("limit", "0")], [("limit", "x")], [("order", "up")]] {
            assert_eq!(read(&pairs).unwrap_err().code, "parameters", "{pairs:?}");
        }
    }
}
