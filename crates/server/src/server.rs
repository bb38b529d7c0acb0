//! The server: its listeners, its routers, its start and its stop.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use exhibit_recorder::Recorder;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    Config, Listener,
    app::{App, Shared},
    layers, listen, live, mongo, otlp,
    problem::Problem,
    routes, tracellm,
};

/// A server whose listeners are open and which does not answer yet.
pub struct Server {
    recorder: Arc<Recorder>,
    config: Config,
    doors: Vec<(Door, TcpListener)>,
    addresses: Addresses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Main,
    OtlpHttp,
    OtlpGrpc,
    Mongo,
    Tracellm,
}

/// Where a server listens.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// Dashboard, API, WebSocket, OTLP over HTTP.
    pub main: Vec<SocketAddr>,
    /// OTLP over HTTP.
    pub otlp_http: Vec<SocketAddr>,
    /// OTLP over gRPC.
    pub otlp_grpc: Vec<SocketAddr>,
    /// MongoDB's wire protocol.
    pub mongo: Vec<SocketAddr>,
    /// TraceLLM's REST API and WebSocket.
    pub tracellm: Vec<SocketAddr>,
    /// Optional addresses that could not be taken.
    pub skipped: Vec<Skipped>,
}

/// An optional address that could not be taken.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// As configured.
    pub address: String,
    /// Why, in words for the operator.
    pub reason: String,
}

/// An address that must be taken and cannot be.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct BindError {
    /// As configured.
    pub address: String,
    /// Why, in words for the operator.
    pub reason: String,
}

impl Server {
    /// Opens the listeners.
    pub async fn bind(config: Config, recorder: Arc<Recorder>) -> Result<Self, BindError> {
        let mut server =
            Self { recorder, doors: Vec::new(), addresses: Addresses::default(), config };
        let wanted: Vec<(Door, Listener)> = [
            (Door::Main, &server.config.main),
            (Door::OtlpHttp, &server.config.otlp_http),
            (Door::OtlpGrpc, &server.config.otlp_grpc),
            (Door::Mongo, &server.config.mongo),
            (Door::Tracellm, &server.config.tracellm),
        ]
        .into_iter()
        .flat_map(|(door, list)| list.iter().map(move |l| (door, l.clone())))
        .collect();
        for (door, listener) in wanted {
            server.open(door, &listener).await?;
        }
        Ok(server)
    }

    async fn open(&mut self, door: Door, wanted: &Listener) -> Result<(), BindError> {
        let opened = async {
            let listener = TcpListener::bind(&wanted.address).await?;
            let address = listener.local_addr()?;
            Ok::<_, io::Error>((listener, address))
        };
        match opened.await {
            Ok((listener, address)) => {
                match door {
                    Door::Main => self.addresses.main.push(address),
                    Door::OtlpHttp => self.addresses.otlp_http.push(address),
                    Door::OtlpGrpc => self.addresses.otlp_grpc.push(address),
                    Door::Mongo => self.addresses.mongo.push(address),
                    Door::Tracellm => self.addresses.tracellm.push(address),
                }
                self.doors.push((door, listener));
                Ok(())
            }
            Err(error) => {
                let (address, reason) = (wanted.address.clone(), reason(&error));
                if !wanted.optional {
                    return Err(BindError { address, reason });
                }
                tracing::warn!(%address, %reason, "this address is not served");
                self.addresses.skipped.push(Skipped { address, reason });
                Ok(())
            }
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Answers until `stop` becomes true; then takes no more connections, lets open requests end
    /// within the configured time, and returns.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        let app = App::new(self.recorder, self.config, crate::openapi(), stop.clone());
        let main = layers::around(main_router(&app), &app.config);
        let otlp_http = layers::around(otlp_router(&app), &app.config);
        let otlp_grpc =
            layers::around(otlp::grpc::router().with_state(Arc::clone(&app)), &app.config);
        let documents = layers::around(tracellm::rest::router(&app), &app.config);
        let mut listeners = Vec::new();
        let mut others = tokio::task::JoinSet::new();
        for (door, listener) in self.doors {
            let router = match door {
                Door::Main => main.clone(),
                Door::OtlpHttp => otlp_http.clone(),
                Door::OtlpGrpc => otlp_grpc.clone(),
                Door::Tracellm => documents.clone(),
                Door::Mongo => {
                    others.spawn(mongo::serve(listener, Arc::clone(&app)));
                    continue;
                }
            };
            listeners.push((listener, router));
        }
        listen::serve(listeners, &app, stop).await;
        app.proxy.drained(app.config.drain).await;
        others.shutdown().await;
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program is listening there; stop it or choose another address".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "this needs more rights; choose a port above 1023".to_owned()
        }
        _ => error.to_string(),
    }
}

fn main_router(app: &Shared) -> Router {
    let (api, _) = routes::api().split_for_parts();
    api.merge(otlp::http::router())
        .merge(routes::agentops::router())
        .merge(routes::langfuse::router())
        .merge(routes::langsmith::router())
        .merge(routes::proxy::router())
        .merge(otlp::grpc::services())
        .route("/api/openapi.json", get(routes::docs::document))
        .route("/docs", get(routes::docs::enter))
        .route("/docs/", get(routes::docs::page))
        .route("/docs/{*path}", get(routes::docs::page))
        .route("/ws", get(live::socket::upgrade))
        .fallback(routes::pages::serve)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::clone(app))
}

fn otlp_router(app: &Shared) -> Router {
    otlp::http::router()
        .route("/", axum::routing::post(otlp::http::export_to_root))
        .route("/api/v1/health", get(routes::health::health))
        .route("/health", get(routes::health::alive))
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "This port takes OTLP over HTTP: POST /v1/traces, /v1/logs, /v1/metrics. Dashboard and \
                 API are on the main port.",
            )
            .into_response()
        })
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::clone(app))
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "This path does not take this method; see /docs.",
    )
}
