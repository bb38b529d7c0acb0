//! Packs spans into requests the way exporters do: every service has its own queue, spans leave in
//! the order in which they ended, and a request is full at the batch size wherever in a trace that
//! falls.

use std::collections::VecDeque;

use super::{
    Format,
    catalog::SERVICES,
    law::{Kind, Law, Period, SpanSketch, TraceSketch},
    native, otlp,
};

/// What decides every byte of a corpus.
#[derive(Debug, Clone, Copy)]
pub struct StreamPlan {
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Number of spans.
    pub spans: usize,
    /// Spans per request, at least 1.
    pub batch: usize,
    /// Encoding of the requests.
    pub format: Format,
    /// When the traces happened.
    pub period: Period,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Spans in it.
    pub spans: u32,
    /// Its encoded body.
    pub body: Vec<u8>,
}

/// What was drawn so far.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Traces.
    pub traces: u64,
    /// Spans by kind, in the order of [`Kind::ALL`].
    pub kinds: [u64; 5],
    /// Spans that failed.
    pub errors: u64,
    /// Model calls that carry sensitive text.
    pub sensitive: u64,
    /// Bytes of text of each model call: messages and answer.
    pub llm_payload_bytes: Vec<u64>,
    /// Bytes of text of all spans.
    pub text_bytes: u64,
}

#[derive(Default)]
struct Queue {
    spans: u32,
    bytes: Vec<u8>,
    json: String,
}

/// An iterator over the requests of a corpus; nothing is kept but one open request per service.
pub struct BatchStream {
    plan: StreamPlan,
    law: Law,
    drawn: usize,
    queues: Vec<Queue>,
    ready: VecDeque<Batch>,
    tally: Tally,
}

impl BatchStream {
    /// Starts at the first request.
    pub fn new(plan: StreamPlan) -> Self {
        Self {
            law: Law::new(plan.seed, plan.period),
            plan,
            drawn: 0,
            queues: SERVICES.iter().map(|_| Queue::default()).collect(),
            ready: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// What decided the bytes.
    pub fn plan(&self) -> &StreamPlan {
        &self.plan
    }

    /// What was drawn so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn draw_trace(&mut self) {
        let progress = self.drawn as f64 / self.plan.spans.max(1) as f64;
        let trace = self.law.trace(progress, self.plan.spans - self.drawn);
        self.drawn += trace.spans.len();
        self.tally.traces += 1;
        for span in &trace.spans {
            self.count(span);
            self.enqueue(&trace, span);
        }
    }

    fn enqueue(&mut self, trace: &TraceSketch, span: &SpanSketch) {
        let queue = &mut self.queues[trace.service];
        match self.plan.format {
            Format::Otlp => otlp::push_span(&mut queue.bytes, trace, span),
            Format::Native => native::push_span(&mut queue.json, trace, span),
        }
        queue.spans += 1;
        if queue.spans as usize >= self.plan.batch {
            self.flush(trace.service);
        }
    }

    fn flush(&mut self, service: usize) {
        let queue = &mut self.queues[service];
        if queue.spans == 0 {
            return;
        }
        let body = match self.plan.format {
            Format::Otlp => otlp::request(service, &queue.bytes),
            Format::Native => native::request(&queue.json),
        };
        self.ready.push_back(Batch { spans: queue.spans, body });
        queue.spans = 0;
        queue.bytes.clear();
        queue.json.clear();
    }

    fn count(&mut self, span: &SpanSketch) {
        let tally = &mut self.tally;
        tally.kinds[span.kind.index()] += 1;
        tally.errors += u64::from(span.error.is_some());
        let mut text = span.input.len() + span.output.len();
        text += span.documents.iter().map(|document| document.text.len()).sum::<usize>();
        if let Some(call) = &span.call {
            text += call.messages.iter().map(|message| message.text.len()).sum::<usize>();
            tally.sensitive += u64::from(call.sensitive);
        }
        if span.kind == Kind::Llm {
            tally.llm_payload_bytes.push(text as u64);
        }
        tally.text_bytes += text as u64;
    }
}

impl Iterator for BatchStream {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        while self.ready.is_empty() && self.drawn < self.plan.spans {
            self.draw_trace();
            if self.drawn >= self.plan.spans {
                (0..self.queues.len()).for_each(|service| self.flush(service));
            }
        }
        self.ready.pop_front()
    }
}
