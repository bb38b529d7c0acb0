//! Errors in the shape that a product's own clients read.
//!
//! A handler fails with a [`Problem`] like every other; the answer carries it along, and the layer
//! made here writes the body anew. Status and headers stay.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use exhibit_model::Json;

use crate::problem::Problem;

/// How a product writes an error.
pub(crate) type Shape = fn(&Problem) -> Json;

/// Writes a problem in the product's shape; leaves other answers as they are.
pub(crate) fn write(mut response: Response, shape: Shape) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let body = shape(&problem).to_string();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(body))
}

/// Puts the layer around a family of routes.
macro_rules! shaped {
    ($router:expr, $shape:expr) => {
        $router.layer(axum::middleware::map_response(
            |response: axum::response::Response| async move {
                $crate::routes::shape::write(response, $shape)
            },
        ))
    };
}
pub(crate) use shaped;
