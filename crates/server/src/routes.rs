//! The route table. What stands here is what is in the OpenAPI document; `live`, `pages` and OTLP are
//! described in it by hand, since they are not plain request and answer.
//!
//! A handler extracts, asks the recorder once, and maps.

pub(crate) mod account;
pub(crate) mod agentops;
pub(crate) mod aitracer;
pub(crate) mod analytics;
pub(crate) mod archive;
pub(crate) mod dead_letters;
pub(crate) mod demo;
pub(crate) mod docs;
pub(crate) mod evidence;
pub(crate) mod govern;
pub(crate) mod health;
pub(crate) mod ingest;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod langfuse;
pub(crate) mod langsmith;
pub(crate) mod ledger;
pub(crate) mod members;
pub(crate) mod notifications;
pub(crate) mod openai_agents;
pub(crate) mod pages;
pub(crate) mod provider;
pub(crate) mod proxy;
pub(crate) mod remap;
pub(crate) mod retention;
pub(crate) mod reviews;
pub(crate) mod rule_files;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod shape;
pub(crate) mod simulations;
pub(crate) mod traces;
pub(crate) mod tracium;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Shared, live};

/// Everything under `/api`, with its description.
pub(crate) fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(docs::base())
        .routes(routes!(health::health))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(account::register))
        .routes(routes!(account::login))
        .routes(routes!(account::logout))
        .routes(routes!(account::me))
        .routes(routes!(account::setup))
        .routes(routes!(demo::enter))
        .routes(routes!(ingest::register_trace))
        .routes(routes!(ingest::spans))
        .routes(routes!(aitracer::record, aitracer::list))
        .routes(routes!(aitracer::ledger::entry))
        .routes(routes!(aitracer::ledger::verify))
        .routes(routes!(dead_letters::list, dead_letters::clear))
        .routes(routes!(aitracer::side_doors::guardrail))
        .routes(routes!(aitracer::side_doors::tool_call))
        .routes(routes!(aitracer::side_doors::feedback))
        .routes(routes!(aitracer::side_doors::webhook))
        .routes(routes!(aitracer::side_doors::agents))
        .routes(routes!(aitracer::side_doors::renew_secret, aitracer::side_doors::drop_secret))
        .routes(routes!(traces::list))
        .routes(routes!(traces::one))
        .routes(routes!(traces::spans))
        .routes(routes!(traces::within::search))
        .routes(routes!(traces::span))
        .routes(routes!(traces::verification))
        .routes(routes!(traces::span_verification))
        .routes(routes!(remap::step))
        .routes(routes!(remap::preview))
        .routes(routes!(govern::of_trace))
        .routes(routes!(govern::of_span))
        .routes(routes!(govern::decide))
        .routes(routes!(govern::policies))
        .routes(routes!(govern::budgets))
        .routes(routes!(rule_files::list))
        .routes(routes!(rule_files::check))
        .routes(routes!(rule_files::one, rule_files::put))
        .routes(routes!(simulations::start))
        .routes(routes!(simulations::one, simulations::cancel))
        .routes(routes!(notifications::channels))
        .routes(routes!(notifications::test))
        .routes(routes!(notifications::deliveries))
        .routes(routes!(notifications::retry))
        .routes(routes!(reviews::list))
        .routes(routes!(reviews::precision))
        .routes(routes!(reviews::bulk))
        .routes(routes!(reviews::one))
        .routes(routes!(reviews::act))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::sequence))
        .routes(routes!(analytics::analytics))
        .routes(routes!(jobs::replay::start, jobs::of_trace_replays))
        .routes(routes!(jobs::replay::estimate))
        .routes(routes!(jobs::ablation::start, jobs::of_trace_ablations))
        .routes(routes!(jobs::ablation::estimate))
        .routes(routes!(jobs::one, jobs::cancel))
        .routes(routes!(provider::show, provider::set, provider::drop))
        .routes(routes!(settings::pricing))
        .routes(routes!(settings::rules))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(members::list, members::put))
        .routes(routes!(members::workspaces, members::found))
        .routes(routes!(ledger::checkpoint))
        .routes(routes!(ledger::key))
        .routes(routes!(ledger::proof))
        .routes(routes!(ledger::consistency))
        .routes(routes!(ledger::tile))
        .routes(routes!(ledger::installation_checkpoint))
        .routes(routes!(ledger::installation_key))
        .routes(routes!(ledger::installation_proof))
        .routes(routes!(ledger::installation_consistency))
        .routes(routes!(ledger::installation_tile))
        .routes(routes!(ledger::successions))
        .routes(routes!(ledger::anchors))
        .routes(routes!(ledger::gaps))
        .routes(routes!(retention::rules, retention::set_rules))
        .routes(routes!(retention::run))
        .routes(routes!(retention::holds, retention::place_hold))
        .routes(routes!(retention::release_hold))
        .routes(routes!(retention::erase))
        .routes(routes!(retention::compliance))
        .routes(routes!(archive::status))
        .routes(routes!(archive::run))
        .routes(routes!(evidence::bundle))
        .routes(routes!(evidence::bundle_of_trace))
        .routes(routes!(evidence::audit_trail))
        .routes(routes!(evidence::spans))
        .routes(routes!(evidence::statement))
        .routes(routes!(ledger::receipt))
        .routes(routes!(live::sse::live))
        .merge(openai_agents::router())
        .merge(tracium::router())
}
