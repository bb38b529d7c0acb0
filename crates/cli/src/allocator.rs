//! How the process takes memory from the system, and gives it back.

use libmimalloc_sys::{mi_option_set, mi_option_use_numa_nodes};

/// Fewer page faults and less fragmentation than the system's allocator under load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, for which the bindings have no name: the one before this.
const PURGE_DELAY: i32 = mi_option_use_numa_nodes - 1;

/// Gives freed memory back at once and takes none in huge pages: idle memory is half, peak memory
/// under load three fifths of what it is otherwise, at the same speed (docs/reference/performance.md).
pub(crate) fn keep_small() {
    // SAFETY: takes two numbers by value, is documented to be callable at any time, and ignores
    // options that it does not know.
    #[allow(unsafe_code)]
    unsafe {
        mi_option_set(PURGE_DELAY, 0);
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}
