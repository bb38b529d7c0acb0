//! Sums over time, from rollups.

use axum::extract::State;
use exhibit_model::Nanos;
use exhibit_store::{AnalyticsQuery, Dimension};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    app::Shared,
    auth::{Caller, Read},
    extract::Params,
    problem::{Problem, ProblemBody},
    view::{Data, analytics::AnalyticsView},
};

const SECOND: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;
/// Without a start, the last thirty days.
const DEFAULT_SPAN_S: i64 = 30 * DAY_S;
/// Without a step, about this many steps.
const STEPS: i64 = 60;
/// Most steps of a series.
const STEPS_MAX: i64 = 1_500;
/// Without a number, this many groups.
const GROUPS: usize = 20;
/// Most groups of an answer; the rest is summed as `other`.
const GROUPS_MAX: usize = 200;

/// What to sum.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Ask {
    /// From (inclusive): RFC 3339, a date, nanoseconds, or an offset such as `-7d`. Thirty days ago
    /// unless given.
    from: Option<String>,
    /// To (exclusive). Now unless given.
    to: Option<String>,
    /// Break down by `kind`, `model`, `provider`, `agent`, `user`, `environment`, `status`,
    /// `verdict`, `tool`, `service`, `cost_source`, `rule` (rules that spoke against a span or, at its
    /// start, a trace; as `policy/rule`) or `category` (of findings). A span stands under each of its
    /// rules and categories, so these two do not add up to the totals.
    group_by: Option<String>,
    /// Width of a step: seconds, or such as `5m`, `1h`, `1d`; a multiple of a minute.
    step: Option<String>,
    /// Most groups (at most 200); the rest is summed as `other`.
    groups: Option<usize>,
    #[serde(rename = "workspace")]
    #[param(ignore)]
    _workspace: Option<String>,
}

/// Sums over time, with series, breakdown and percentiles.
#[utoipa::path(get, path = "/api/v1/analytics", tag = "analytics", params(Ask),
    responses((status = 200, body = Data<AnalyticsView>), (status = 400, body = ProblemBody)))]
pub(crate) async fn analytics(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Params(ask): Params<Ask>,
) -> Result<Data<AnalyticsView>, Problem> {
    let query = ask.read(app.recorder.now())?;
    let analytics = app.recorder.analytics(caller.workspace, query.clone()).await?;
    Ok(Data { data: AnalyticsView::of(&analytics, &query) })
}

impl Ask {
    fn read(&self, now: Nanos) -> Result<AnalyticsQuery, Problem> {
        let time = |name: &str, text: &str| {
            moment(text, now).ok_or_else(|| {
                Problem::bad(
                    "parameters",
                    format!(
                        "{name} must be a time such as 2026-11-21T02:00:00Z, 2026-11-21 or -7d."
                    ),
                )
            })
        };
        let to = self.to.as_deref().map_or(Ok(now), |text| time("to", text))?;
        let from = match &self.from {
            Some(text) => time("from", text)?,
            None => Nanos(to.0.saturating_sub(DEFAULT_SPAN_S * SECOND)),
        };
        let span_s = to.0.saturating_sub(from.0) / SECOND;
        if from >= to {
            return Err(Problem::bad("parameters", "from must lie before to."));
        }
        let step_s = match &self.step {
            Some(text) => seconds(text).filter(|s| *s >= 60 && s % 60 == 0).ok_or_else(|| {
                let detail = "step must be a multiple of a minute, such as 60, 5m, 1h or 1d.";
                Problem::bad("parameters", detail)
            })?,
            None => step_for(span_s),
        };
        if span_s / step_s > STEPS_MAX {
            let detail = format!(
                "This makes more than {STEPS_MAX} steps; use a wider step or a shorter time."
            );
            return Err(Problem::bad("parameters", detail));
        }
        let group_by = match self.group_by.as_deref().filter(|g| !g.is_empty()) {
            None => None,
            Some(name) => Some(Dimension::parse(name).ok_or_else(|| {
                let known: Vec<_> = Dimension::ALL.iter().map(|d| d.as_str()).collect();
                Problem::bad("parameters", format!("group_by must be one of {}.", known.join(", ")))
            })?),
        };
        let groups_max = self.groups.unwrap_or(GROUPS).clamp(1, GROUPS_MAX);
        Ok(AnalyticsQuery { from, to, group_by, step_s: step_s.unsigned_abs(), groups_max })
    }
}

/// A round width that gives about [`STEPS`] steps; from two weeks on, whole days.
fn step_for(span_s: i64) -> i64 {
    const WIDTHS: [i64; 8] = [60, 300, 900, 1_800, 3_600, 10_800, 21_600, DAY_S];
    let wanted = span_s / STEPS;
    let width = WIDTHS.into_iter().find(|w| *w >= wanted);
    width.unwrap_or_else(|| (wanted / DAY_S + 1) * DAY_S)
}

/// A point in time as the filter language writes it.
fn moment(text: &str, now: Nanos) -> Option<Nanos> {
    if text == "now" {
        return Some(now);
    }
    if text.starts_with('-') {
        let back = seconds(text.trim_start_matches('-'))?.checked_mul(SECOND)?;
        return now.0.checked_sub(back).map(Nanos);
    }
    if text.len() == 10 && text.matches('-').count() == 2 {
        return Nanos::parse_rfc3339(&format!("{text}T00:00:00Z"));
    }
    match text.parse::<i64>() {
        // Anything smaller would be a time in 1970, and is rather a mistaken unit.
        Ok(nanos) => (nanos >= 1_000_000_000_000_000).then_some(Nanos(nanos)),
        // A plus in a query is a space.
        Err(_) => {
            Nanos::parse_rfc3339(text).or_else(|| Nanos::parse_rfc3339(&text.replace(' ', "+")))
        }
    }
}

/// Seconds, or a number with a unit.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => DAY_S,
        "w" => 7 * DAY_S,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_steps_are_read_as_people_write_them() {
        let now = Nanos(2_000_000_000_000_000_000);
        assert_eq!(moment("-1d", now), Some(Nanos(now.0 - 86_400 * SECOND)));
        assert!(moment("2026-11-21", now).is_some());
        assert_eq!(moment("2026-11-21T00:00:00 01:00", now), moment("2026-11-20T23:00:00Z", now));
        assert_eq!(moment("12", now), None);
        assert_eq!(seconds("5m"), Some(300));
        assert_eq!(seconds("5x"), None);
        assert_eq!(step_for(3_600), 60);
        assert_eq!(step_for(30 * DAY_S), DAY_S);
        assert_eq!(step_for(365 * DAY_S), 7 * DAY_S);
    }
}
