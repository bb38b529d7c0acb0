//! The doors: HTTP, gRPC, WebSocket; who may pass them; and the OpenAPI description of it all.
//!
//! Start at [`Server`]. A request goes through `listen` (connections, time-outs), `layers` (ids,
//! headers, panics), the table in `routes`, an extractor of `auth` whose type names the scope, and
//! ends in one call of the recorder. OTLP has its own way in `otlp`, live view in `live`.
//!
//! What is not here: decoding (`exhibit-capture`), the use cases (`exhibit-recorder`), storage. This
//! room keeps no state of its own but counters and limits.

mod app;
mod auth;
mod body;
mod config;
mod demo;
mod export;
mod extract;
mod layers;
mod listen;
mod live;
mod mongo;
mod otlp;
mod problem;
mod routes;
mod server;
mod tracellm;
mod view;
mod witness;

pub use config::{Config, Listener, Proxy};
pub use mongo::trace_document;
pub use server::{Addresses, BindError, Server, Skipped};
pub use witness::serve_witness;

/// The OpenAPI 3.1 document of this version, as served at `/api/openapi.json`.
pub fn openapi() -> String {
    let (_, api) = routes::api().split_for_parts();
    routes::docs::complete(api).to_pretty_json().unwrap_or_default()
}
