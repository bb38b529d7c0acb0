//! How long to wait, how often to try again, how much to accept. Every wait and every buffer of
//! this crate is bounded by a number in this file.

use std::time::Duration;

/// Everything about a client that is not its address and key.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to try again.
    pub retry: RetryPolicy,
    /// How much to accept.
    pub limits: Limits,
}

/// Longest waits of one call.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// To open a connection, name lookup and TLS included.
    pub connect: Duration,
    /// From sending a request to the first byte of its answer. Long, because a local server may
    /// first load the model and a reasoning model may think before it speaks.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub between_chunks: Duration,
    /// The whole call, further attempts and the complete stream included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_mins(5),
            between_chunks: Duration::from_mins(2),
            total: Duration::from_mins(30),
        }
    }
}

/// When and how often a call is tried again. Only refusals that may pass are, and only before the
/// answer has begun.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Attempts in all; 1 means no retry.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubles with each further one, and a random part of up to
    /// a half is taken off.
    pub delay_base: Duration,
    /// Longest wait of our own choosing.
    pub delay_max: Duration,
    /// Longest wait a provider's `Retry-After` may ask for; a longer one ends the call with the
    /// refusal, which carries the asked time.
    pub retry_after_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 4,
            delay_base: Duration::from_millis(400),
            delay_max: Duration::from_secs(8),
            retry_after_max: Duration::from_secs(30),
        }
    }
}

/// Most bytes to accept.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One line of a stream.
    pub line_bytes_max: usize,
    /// One event of a stream, or a whole body that does not stream.
    pub event_bytes_max: usize,
    /// A whole response.
    pub response_bytes_max: usize,
    /// The body of a refusal; the rest is not read.
    pub error_bytes_max: usize,
    /// Tool calls in one answer.
    pub tool_calls_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 4 << 20,
            event_bytes_max: 8 << 20,
            response_bytes_max: 64 << 20,
            error_bytes_max: 64 << 10,
            tool_calls_max: 1024,
        }
    }
}
