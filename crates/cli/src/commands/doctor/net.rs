//! The server, if one runs, and whether the addresses are free, if not.

use std::net::TcpListener;

use crate::{
    config::{Address, Loaded, parse_address},
    data_dir::{DataDir, Running},
    port_holder::port_holder,
    remote::{Remote, Right},
};

use super::Check;

pub(super) async fn check(loaded: &Loaded, data: &DataDir) -> Vec<Check> {
    match (data.holder(), data.running()) {
        (Ok(Some(_)), Ok(Some(server))) => vec![running(data, &server).await],
        (Ok(Some(holder)), _) => {
            vec![Check::warning("server", format!("the data directory is held by {holder}"))]
        }
        (Ok(None), _) => {
            let mut checks = vec![Check::ok("server", "none runs on this data directory")];
            checks.extend(addresses(loaded));
            checks
        }
        (Err(error), _) => vec![Check::failure("server", format!("{error:#}"))],
    }
}

async fn running(data: &DataDir, server: &Running) -> Check {
    let health = async {
        let remote = Remote::new(&server.url, Right::Local { token: data.local_token()? })?;
        remote.get("api/v1/health", &[], "default").await
    };
    let what = format!("process {} at {}", server.pid, server.url);
    match health.await {
        Ok(Some(health)) if health.get("status").is_some_and(|s| s == "ok") => {
            Check::ok("server", format!("{what}, {}", server.version))
        }
        Ok(_) => Check::failure("server", format!("{what} is not well"))
            .hint("its log says why; look for `error`"),
        Err(error) => Check::failure("server", format!("{what} does not answer: {error:#}")).hint(
            "if it hangs, stop it with `kill` and start it again; nothing acknowledged is lost",
        ),
    }
}

fn addresses(loaded: &Loaded) -> Vec<Check> {
    let config = &loaded.config;
    let listen = config.listen.iter().enumerate().map(|(n, text)| ("listen", text, n == 0));
    let otlp = [("otlp.http", &config.otlp.http, false), ("otlp.grpc", &config.otlp.grpc, false)];
    listen.chain(otlp).filter_map(|(key, text, needed)| address(key, text, needed)).collect()
}

fn address(key: &str, text: &str, needed: bool) -> Option<Check> {
    let address = match parse_address(text) {
        Ok(Address::Off) => return None,
        Ok(Address::At(address)) => address,
        Err(error) => return Some(Check::failure("address", format!("{key}: {error}"))),
    };
    Some(match TcpListener::bind(address) {
        Ok(_) => Check::ok("address", format!("{key}: {address} is free")),
        Err(error) => {
            let holder = port_holder(address.port());
            let why =
                holder.map_or_else(|| error.to_string(), |holder| format!("held by {holder}"));
            let detail = format!("{key}: {address}: {why}");
            if needed {
                Check::failure("address", detail)
                    .hint("stop what holds it, or name another address")
            } else {
                Check::warning("address", detail).hint("the server starts without it")
            }
        }
    })
}
