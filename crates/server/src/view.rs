//! How the model looks in JSON: the mission's names, and exact fields beside them.
//!
//! Amounts are decimal strings of nano-USD, times are RFC 3339 with nanoseconds as strings beside
//! them, because JSON readers round larger integers. These are plain functions of the model.

pub(crate) mod analytics;
pub(crate) mod finding;
pub(crate) mod job;
pub(crate) mod review;
pub(crate) mod span;
pub(crate) mod trace;

use exhibit_model::Nanos;
use serde::Serialize;
use utoipa::ToSchema;

/// The envelope of every `GET` answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Data<T> {
    /// The answer.
    pub(crate) data: T,
}

impl<T: Serialize> axum::response::IntoResponse for Data<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self).into_response()
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// Hand this back as `cursor` for the next page; null at the end.
    pub(crate) next_cursor: Option<String>,
    /// Whether there is a next page.
    pub(crate) has_more: bool,
}

impl<T: Serialize> Listing<T> {
    pub(crate) fn of<R>(page: exhibit_store::Page<R>, view: impl Fn(&R) -> T) -> Self {
        Self {
            data: page.rows.iter().map(view).collect(),
            has_more: page.next.is_some(),
            next_cursor: page.next,
        }
    }
}

impl<T: Serialize> axum::response::IntoResponse for Listing<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self).into_response()
    }
}

/// Milliseconds with three decimals.
pub(crate) fn ms(nanos: Nanos) -> f64 {
    (nanos.0 / 1_000) as f64 / 1e3
}
