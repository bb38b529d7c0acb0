//! One cell, and what one span adds to it.

use exhibit_model::{SpanHead, Status, Usage, UsageRole};

use super::Histogram;
use crate::Measures;

/// Largest amount one span can add to one sum. Integers up to here are exact in JSON; anything
/// larger is nonsense that must not be able to overflow a sum.
const SAMPLE_MAX: i64 = (1 << 53) - 1;

/// Integer sums. Adding and subtracting wrap, so they undo one another exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Traces whose first span counts here.
    pub traces: i64,
    /// Sealed spans.
    pub spans: i64,
    /// Failed spans.
    pub errors: i64,
    /// Counted leaf calls.
    pub calls: i64,
    /// Usage of counted leaf calls, in the order of [`Usage::buckets`].
    pub usage: [i64; 12],
    /// Known cost of counted leaf calls, nano-USD.
    pub cost_nano: i64,
    /// Counted leaf calls of unknown cost.
    pub cost_unknown: i64,
    /// Durations, nanoseconds.
    pub latency: Histogram,
    /// Times to the first token, nanoseconds.
    pub ttft: Histogram,
}

/// What one span adds to each of its cells, worked out once.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// 1 when it is added, −1 when it is taken out; every amount below has this sign.
    sign: i64,
    traces: i64,
    errors: i64,
    call: Option<Call>,
    latency: Option<u16>,
    ttft: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    usage: [i64; 12],
    cost_nano: i64,
    cost_unknown: i64,
}

impl Sample {
    /// The sample of a revision; none when it [contributes](super::contributes) nothing.
    pub fn of(head: &SpanHead, counted: bool, first_of_trace: bool) -> Option<Self> {
        Self::signed(head, counted, first_of_trace, 1)
    }

    /// The sample that takes out what [`of`](Self::of) these arguments added.
    pub fn taking_out(head: &SpanHead, counted: bool, first_of_trace: bool) -> Option<Self> {
        Self::signed(head, counted, first_of_trace, -1)
    }

    /// The sample of a registration record that holds what rules say of its trace: it counts as a
    /// span in the cells of sets. None for other revisions, and while it is not sealed.
    pub fn of_ruling(head: &SpanHead, sign: i64) -> Option<Self> {
        let ruled = head.span_id.is_registration() && head.status.is_sealed();
        ruled.then_some(Self { sign, traces: 0, errors: 0, call: None, latency: None, ttft: None })
    }

    fn signed(head: &SpanHead, counted: bool, first_of_trace: bool, sign: i64) -> Option<Self> {
        let call = || Call {
            usage: head.usage.map_or([0; 12], |usage| usage.buckets().map(|n| sign * clamped(n))),
            cost_nano: head.cost.map_or(0, |cost| sign * cost.0.clamp(-SAMPLE_MAX, SAMPLE_MAX)),
            cost_unknown: sign * i64::from(head.cost.is_none()),
        };
        super::contributes(head).then(|| Self {
            sign,
            traces: sign * i64::from(first_of_trace),
            errors: sign * i64::from(head.status == Status::Error),
            call: (counted && head.usage_role == UsageRole::Leaf).then(call),
            latency: head.duration().map(|d| Histogram::bucket(d.0)),
            ttft: head.ttft.map(|t| Histogram::bucket(t.0)),
        })
    }
}

fn clamped(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(SAMPLE_MAX).min(SAMPLE_MAX)
}

impl Cell {
    /// Takes in a sample.
    pub fn apply(&mut self, sample: &Sample) {
        let add = |sum: &mut i64, n: i64| *sum = sum.wrapping_add(n);
        add(&mut self.spans, sample.sign);
        add(&mut self.traces, sample.traces);
        add(&mut self.errors, sample.errors);
        if let Some(call) = &sample.call {
            add(&mut self.calls, sample.sign);
            add(&mut self.cost_nano, call.cost_nano);
            add(&mut self.cost_unknown, call.cost_unknown);
            for (sum, n) in self.usage.iter_mut().zip(call.usage) {
                add(sum, n);
            }
        }
        if let Some(bucket) = sample.latency {
            self.latency.record(bucket, sample.sign);
        }
        if let Some(bucket) = sample.ttft {
            self.ttft.record(bucket, sample.sign);
        }
    }

    /// Adds another cell.
    pub fn add(&mut self, other: &Self) {
        for (sum, n) in self.sums_mut().into_iter().zip(other.sums()) {
            *sum = sum.wrapping_add(n);
        }
        self.latency.add(&other.latency);
        self.ttft.add(&other.ttft);
    }

    /// Subtracts another cell: the inverse of [`add`](Self::add).
    pub fn subtract(&mut self, other: &Self) {
        for (sum, n) in self.sums_mut().into_iter().zip(other.sums()) {
            *sum = sum.wrapping_sub(n);
        }
        self.latency.subtract(&other.latency);
        self.ttft.subtract(&other.ttft);
    }

    /// Whether it holds nothing; a store drops such cells.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Its sums as people read them. Sums that overflowed or went below zero read as zero.
    pub fn measures(&self) -> Measures {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Measures {
            traces: count(self.traces),
            spans: count(self.spans),
            errors: count(self.errors),
            calls: count(self.calls),
            usage: Usage::from_buckets(self.usage.map(count)),
            cost_nano_usd: self.cost_nano,
            cost_unknown: count(self.cost_unknown),
            latency: self.latency.percentiles(),
            ttft: self.ttft.percentiles(),
        }
    }

    /// All plain sums in the order in which they are stored.
    pub(super) fn sums(&self) -> [i64; 18] {
        let mut sums = [0; 18];
        sums[..4].copy_from_slice(&[self.traces, self.spans, self.errors, self.calls]);
        sums[4..16].copy_from_slice(&self.usage);
        sums[16..].copy_from_slice(&[self.cost_nano, self.cost_unknown]);
        sums
    }

    pub(super) fn sums_mut(&mut self) -> impl IntoIterator<Item = &mut i64> {
        [&mut self.traces, &mut self.spans, &mut self.errors, &mut self.calls]
            .into_iter()
            .chain(&mut self.usage)
            .chain([&mut self.cost_nano, &mut self.cost_unknown])
    }
}
