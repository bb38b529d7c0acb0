//! Opening the store: every reason why it could not work is found here and named.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use exhibit_model::Limits;
use exhibit_store::StoreError;
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use tokio_postgres::{config::Host, error::SqlState};

use crate::{
    ClusterStore, Options,
    commit::Queue,
    lease, migrate, notify,
    row::Columns,
    ship,
    store::Shared,
    tls::{Address, Connection},
};

/// Oldest PostgreSQL that is known to work, as `server_version_num` counts.
const POSTGRES_MIN: i32 = 140_000;
/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Why a cluster store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An address that cannot be read.
    #[error("{name}: {reason}")]
    Address {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A database that does not answer.
    #[error("{database} does not answer at {address}: {reason}")]
    Unreachable {
        /// Which.
        database: &'static str,
        /// Where, without password.
        address: String,
        /// What happened.
        reason: String,
    },
    /// A database with which there is no TLS as it was asked for.
    #[error("TLS with {database} at {address}: {reason}")]
    Tls {
        /// Which.
        database: &'static str,
        /// Where, without password.
        address: String,
        /// What happened.
        reason: String,
    },
    /// A database that refuses the user or password.
    #[error("{database} refuses the user or the password")]
    Refused {
        /// Which.
        database: &'static str,
    },
    /// A database that is too old.
    #[error("{database} {found} is too old; {needed} or newer is needed")]
    Version {
        /// Which.
        database: &'static str,
        /// What was found.
        found: String,
        /// What is needed.
        needed: &'static str,
    },
    /// The tables were made by a newer version of this program.
    #[error(
        "the tables in {database} are of version {found}, this program knows {known}; update it"
    )]
    Newer {
        /// Which.
        database: &'static str,
        /// What was found.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The tables are not as this program made them.
    #[error("the tables in {database} were changed by hand: {difference}")]
    Altered {
        /// Which.
        database: &'static str,
        /// The first difference.
        difference: String,
    },
    /// Clocks that are too far apart.
    #[error(
        "the clock of this machine and that of {database} are {apart_s} s apart, at most {most_s} s \
         are allowed; let both follow a time server"
    )]
    Clock {
        /// Which.
        database: &'static str,
        /// How far.
        apart_s: u64,
        /// How far they may be.
        most_s: u64,
    },
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How the client says that a handshake failed.
const TLS_FAILED: &str = "error performing TLS handshake";
pub(crate) const POSTGRES: &str = "PostgreSQL";
pub(crate) const CLICKHOUSE: &str = "ClickHouse";

fn address(options: &Options) -> Result<Address, OpenError> {
    let mut address = Address::parse(&options.postgres)?;
    let config = &mut address.config;
    config.connect_timeout(CONNECT);
    config.application_name("exhibit");
    if config.get_options().is_none() {
        config.options("-c client_min_messages=warning");
    }
    Ok(address)
}

fn postgres_error(options: &Options, error: &tokio_postgres::Error) -> OpenError {
    match error.code() {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            OpenError::Refused { database: POSTGRES }
        }
        _ => {
            let source = std::error::Error::source(error).map(ToString::to_string);
            let reason = source.unwrap_or_else(|| error.to_string());
            let (database, address) = (POSTGRES, postgres_address(options));
            // The client tells its errors apart by their words only.
            if error.to_string() == TLS_FAILED {
                OpenError::Tls { database, address, reason }
            } else {
                OpenError::Unreachable { database, address, reason }
            }
        }
    }
}

/// Where PostgreSQL is, without user and password.
fn postgres_address(options: &Options) -> String {
    let Ok(Address { config, .. }) = Address::parse(&options.postgres) else {
        return String::new();
    };
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().copied().chain(std::iter::repeat(5_432));
    hosts.zip(ports).map(|(host, port)| format!("{host}:{port}")).collect::<Vec<_>>().join(", ")
}

/// A connection outside the pool.
pub(crate) async fn connect(
    options: &Options,
) -> Result<(tokio_postgres::Client, Connection), OpenError> {
    let address = address(options)?;
    let connected = address.config.connect(address.connector()?).await;
    connected.map_err(|error| postgres_error(options, &error))
}

/// The client of ClickHouse for a database.
fn clickhouse(options: &Options) -> Result<clickhouse::Client, OpenError> {
    let wrong =
        |reason: &str| OpenError::Address { name: "clickhouse-url", reason: reason.to_owned() };
    let (scheme, rest) = options
        .clickhouse
        .split_once("://")
        .filter(|(scheme, _)| ["http", "https"].contains(scheme))
        .ok_or_else(|| wrong("it must begin with http:// or https://"))?;
    let rest = rest.trim_end_matches('/');
    let (login, host) = match rest.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, rest),
    };
    if host.is_empty() || host.contains(['/', '?', '#']) {
        return Err(wrong("it must name a host and a port and nothing behind them"));
    }
    let mut client = clickhouse::Client::default().with_url(format!("{scheme}://{host}"));
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        client = client.with_user(percent_decoded(user)).with_password(percent_decoded(password));
    }
    // On one machine compressing costs more than it saves.
    let near = ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host.starts_with(name));
    Ok(if near { client.with_compression(clickhouse::Compression::None) } else { client })
}

/// `%41` is `A`; whatever is not such a code stays.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        match code.and_then(|code| hex::decode(code).ok()) {
            Some(code) => {
                bytes.extend(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn clickhouse_error(options: &Options, error: clickhouse::error::Error) -> OpenError {
    let address = options.clickhouse.rsplit('@').next().unwrap_or_default().to_owned();
    match &error {
        clickhouse::error::Error::BadResponse(text)
            if ["Code: 516", "Code: 192", "Code: 193", "Code: 194"]
                .iter()
                .any(|code| text.contains(code)) =>
        {
            OpenError::Refused { database: CLICKHOUSE }
        }
        _ => OpenError::Unreachable { database: CLICKHOUSE, address, reason: error.to_string() },
    }
}

/// Refuses a clock that is too far off this machine's.
fn check_clock(options: &Options, database: &'static str, theirs_s: f64) -> Result<(), OpenError> {
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let apart = (ours - theirs_s).abs();
    if apart <= options.skew_max.as_secs_f64() {
        return Ok(());
    }
    let (apart_s, most_s) = (apart as u64, options.skew_max.as_secs());
    Err(OpenError::Clock { database, apart_s, most_s })
}

impl ClusterStore {
    /// Opens the store: connects, makes or updates the tables, and starts this node's tasks.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let (mut client, connection) = connect(&options).await?;
        let driving = tokio::spawn(connection);
        let asked = client
            .query_one(
                "SELECT current_setting('server_version_num')::int, \
                 current_setting('server_version'), \
                 extract(epoch FROM clock_timestamp())::float8",
                &[],
            )
            .await
            .map_err(|error| postgres_error(&options, &error))?;
        let mut c = Columns::of(&asked);
        let (number, version, now): (i32, String, f64) = (c.next()?, c.next()?, c.next()?);
        if number < POSTGRES_MIN {
            let needed = "14";
            return Err(OpenError::Version { database: POSTGRES, found: version, needed });
        }
        check_clock(&options, POSTGRES, now)?;

        let clickhouse = clickhouse(&options)?;
        let asked = clickhouse.query("SELECT toFloat64(now64(3))").fetch_one::<f64>().await;
        let now = asked.map_err(|error| clickhouse_error(&options, error))?;
        check_clock(&options, CLICKHOUSE, now)?;
        let clickhouse = migrate::run(&mut client, clickhouse, &options.database).await?;
        drop(client);
        driving.abort();

        let address = address(&options)?;
        let manager = Manager::from_config(
            address.config.clone(),
            address.connector()?,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(options.connections.max(2))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|error| StoreError::Failed(error.to_string()))?;
        let shared = Arc::new(Shared {
            options,
            pool,
            clickhouse,
            node: hex::encode(random),
            lead: Mutex::new(None),
            frozen: Mutex::new(None),
            full: AtomicBool::new(false),
            backlog: Mutex::default(),
            foreign: broadcast::channel(Limits::default().live_backlog_max).0,
        });
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        if !shared.options.passive {
            lease::take(&shared).await?;
            tasks.push(tokio::spawn(lease::run(Arc::clone(&shared), stopped.clone())));
            tasks.push(tokio::spawn(ship::run(Arc::clone(&shared), stopped.clone())));
            tasks.push(tokio::spawn(notify::run(Arc::clone(&shared), stopped)));
        }
        let queue = Queue::start(Arc::clone(&shared));
        Ok(Self { shared, queue, stop, tasks: Mutex::new(tasks) })
    }
}
