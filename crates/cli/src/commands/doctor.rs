//! `exhibit doctor`: looks at everything that commonly goes wrong, and says what to do.

mod files;
mod net;
pub(super) mod rules;
mod store;

use serde::Serialize;

use crate::{
    config::Loaded,
    data_dir::DataDir,
    failure::Exit,
    installation::rules_dir,
    output::{Output, Style},
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    Ok,
    Warning,
    Failure,
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    health: Health,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, health: Health::Ok, detail: detail.into(), hint: None }
    }

    pub(super) fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { health: Health::Warning, ..Self::ok(name, detail) }
    }

    pub(super) fn failure(name: &'static str, detail: impl Into<String>) -> Self {
        Self { health: Health::Failure, ..Self::ok(name, detail) }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Runs every check.
pub(crate) async fn run(loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let data = DataDir::new(&loaded.config.data_dir);
    let mut checks = files::check(&data);
    checks.extend(net::check(loaded, &data).await);
    checks.push(rules::summary(rules_dir(loaded).as_deref()));
    if data.is_installed() {
        checks.extend(store::check(loaded).await);
    }
    checks.extend(loaded.notices.iter().map(|notice| Check::warning("configuration", notice)));
    let failed = checks.iter().any(|check| check.health == Health::Failure);
    let exit = if failed { Exit::Failed } else { Exit::Done };
    if output.json {
        output.json(&serde_json::json!({"ok": !failed, "checks": checks}))?;
        return Ok(exit);
    }
    for check in &checks {
        let (style, mark) = match check.health {
            Health::Ok => (Style::Green, "ok     "),
            Health::Warning => (Style::Yellow, "warning"),
            Health::Failure => (Style::Red, "failure"),
        };
        output.line(format!(
            "{}  {:<16}{}",
            output.styled(style, mark),
            check.name,
            check.detail
        ))?;
        if let Some(hint) = &check.hint {
            output.line(format!("         {:<16}hint: {hint}", ""))?;
        }
    }
    Ok(exit)
}
