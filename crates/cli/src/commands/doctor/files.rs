//! The directory, its permissions, the disk, the keys.

use std::path::Path;

use crate::data_dir::DataDir;

use super::Check;

/// Below this much free space writes will soon fail.
const FREE_BYTES_LOW: u64 = 1 << 30;

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let shown = data.path().display();
    let mut checks = Vec::new();
    if !data.is_installed() {
        let detail = format!("{shown} holds no installation yet; `exhibit serve` makes one");
        checks.push(Check::ok("data directory", detail));
        let parent = data.path().ancestors().find(|dir| dir.is_dir());
        checks.extend(parent.map(disk));
        return checks;
    }
    checks.push(match writable(data.path()) {
        Ok(()) => Check::ok("data directory", shown.to_string()),
        Err(error) => Check::failure("data directory", format!("{shown}: {error}"))
            .hint("run this as the user the server runs as"),
    });
    checks.push(permissions(data.path()));
    let epoch = data.path().join("keys/epoch.key");
    if epoch.exists() {
        checks.push(Check::warning("epoch key", "it still lies beside the data").hint(format!(
            "take it offline: mv '{}' /path/to/offline/media/epoch.key",
            epoch.display()
        )));
    }
    checks.push(disk(data.path()));
    checks
}

fn writable(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(".doctor");
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(&probe)
}

#[cfg(unix)]
fn permissions(dir: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt as _;
    let open: Vec<String> = [dir.join("keys")]
        .into_iter()
        .chain(
            std::fs::read_dir(dir.join("keys")).into_iter().flatten().flatten().map(|e| e.path()),
        )
        .filter(|path| path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0))
        .map(|path| path.display().to_string())
        .collect();
    if open.is_empty() {
        return Check::ok("permissions", "keys are readable by their owner only");
    }
    Check::failure("permissions", format!("others may read {}", open.join(", ")))
        .hint(format!("chmod -R go= '{}'", dir.join("keys").display()))
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Check {
    Check::ok("permissions", "not checked on this system")
}

fn disk(dir: &Path) -> Check {
    match fs4::available_space(dir) {
        Ok(free) => {
            let detail = format!("{} MiB free", free >> 20);
            if free < FREE_BYTES_LOW {
                Check::warning("disk", detail).hint("free space, or move the data directory")
            } else {
                Check::ok("disk", detail)
            }
        }
        Err(error) => Check::warning("disk", format!("free space is unknown: {error}")),
    }
}
