//! Reading: lists, traces, spans, sums.

use std::collections::BTreeMap;

use exhibit_model::{Content, RecordId, Span, SpanId, TraceId, WorkspaceId};
use exhibit_store::{
    Analytics, AnalyticsQuery, Filter, Order, Page, SessionSummary, SpanRow, SpanWindow,
    StoredSpan, TraceQuery, TraceRow,
};

use crate::{
    Error, Recorder,
    accept::{conceal, decode},
};

/// A span in a list, with short texts.
#[derive(Debug, Clone)]
pub struct SpanView {
    /// Its hot columns.
    pub row: SpanRow,
    /// Short text of its input.
    pub input_preview: Option<String>,
    /// Short text of its output.
    pub output_preview: Option<String>,
}

/// A span with everything.
#[derive(Debug, Clone)]
pub struct SpanDetail {
    /// All mapped fields and raw attributes.
    pub span: Span,
    /// What was asked and what came back.
    pub content: Content,
    /// Its record id.
    pub record: RecordId,
    /// Index of its leaf in the workspace's log.
    pub index: Option<u64>,
    /// Its fingerprint.
    pub leaf_hash: Option<[u8; 32]>,
    /// Whether its usage counts.
    pub counted: bool,
}

impl SpanDetail {
    /// Of something quarantined, only reviewers are shown what it holds.
    fn of(stored: &StoredSpan, to_reviewer: bool) -> Result<Self, Error> {
        let mut span = decode(stored)?;
        if span.decision.is_quarantine() && !to_reviewer {
            conceal::span(&mut span);
        }
        span.provenance = provenance(&span);
        Ok(Self {
            content: exhibit_capture::content(&span),
            record: stored.record,
            index: stored.index,
            leaf_hash: stored.leaf_hash,
            counted: stored.counted,
            span,
        })
    }
}

/// Which raw attribute supplied each mapped field, as long as today's mapping is the one that filled
/// them.
fn provenance(span: &Span) -> BTreeMap<String, String> {
    if span.mapping_version != exhibit_capture::MAPPING_VERSION {
        return BTreeMap::new();
    }
    let mut mapped = span.clone();
    exhibit_capture::map(&mut mapped);
    mapped.provenance
}

/// How the installation is.
#[derive(Debug, Clone)]
pub struct Health {
    /// Whether it can do its work.
    pub ok: bool,
    /// Whether the database answers.
    pub db_connected: bool,
    /// Rules and detectors in force.
    pub rules_loaded: usize,
    /// Seconds since the start.
    pub uptime_seconds: f64,
    /// Version of the program.
    pub version: &'static str,
}

/// Spans read whole at a time: few enough that one such read is small, many enough to be quick.
const SPANS_AT_ONCE: usize = 16;

impl Recorder {
    fn query(
        &self,
        filter: &str,
        order: Order,
        after: Option<String>,
        limit: usize,
    ) -> Result<TraceQuery, Error> {
        let filter = Filter::parse(filter, self.now()).map_err(|error| Error::Filter {
            position: error.position,
            message: error.to_string(),
        })?;
        Ok(TraceQuery { filter, order, after, limit: limit.clamp(1, self.limits.page_rows_max) })
    }

    /// A page of traces.
    pub async fn traces(
        &self,
        workspace: WorkspaceId,
        filter: &str,
        order: Order,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<TraceRow>, Error> {
        let query = self.query(filter, order, after, limit)?;
        Ok(self.store.traces(workspace, &query).await?)
    }

    /// One trace.
    pub async fn trace(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
    ) -> Result<Option<TraceRow>, Error> {
        Ok(self.store.trace(workspace, id).await?)
    }

    /// A window of a trace's spans, with short texts where asked. `None`: there is no such trace.
    pub async fn spans(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
        window: &SpanWindow,
        previews: bool,
    ) -> Result<Option<Page<SpanView>>, Error> {
        if self.store.trace(workspace, id).await?.is_none() {
            return Ok(None);
        }
        let mut window = window.clone();
        window.limit = window.limit.clamp(1, self.limits.window_spans_max);
        let page = self.store.spans(workspace, id, &window).await?;
        let mut views: Vec<SpanView> = page
            .rows
            .into_iter()
            .map(|row| SpanView { row, input_preview: None, output_preview: None })
            .collect();
        if previews {
            let ids: Vec<_> =
                views.iter().map(|v| (id.clone(), v.row.head.span_id.clone())).collect();
            let stored = self.load(workspace, &ids).await?;
            for (view, stored) in views.iter_mut().zip(stored) {
                let Some(stored) = stored else { continue };
                let span = decode(&stored)?;
                if span.decision.is_quarantine() {
                    continue;
                }
                let previews = exhibit_capture::previews(&span);
                (view.input_preview, view.output_preview) = (previews.input, previews.output);
            }
        }
        Ok(Some(Page { rows: views, next: page.next }))
    }

    /// One span with everything.
    pub async fn span(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
    ) -> Result<Option<SpanDetail>, Error> {
        self.span_shown(workspace, trace, span, false).await
    }

    /// The same; what is quarantined is shown to a reviewer.
    pub async fn span_shown(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
        span: &SpanId,
        to_reviewer: bool,
    ) -> Result<Option<SpanDetail>, Error> {
        let id = [(trace.clone(), span.clone())];
        let stored = self.load(workspace, &id).await?.into_iter().flatten().next();
        stored.as_ref().map(|stored| SpanDetail::of(stored, to_reviewer)).transpose()
    }

    /// A trace and the whole of its first `limit` spans, or of as many as
    /// [`answer_bytes_max`](exhibit_model::Limits::answer_bytes_max) allows.
    pub async fn trace_with_spans(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
        limit: usize,
    ) -> Result<Option<(TraceRow, Vec<SpanDetail>)>, Error> {
        self.trace_shown(workspace, id, limit, false).await
    }

    /// The same; what is quarantined is shown to a reviewer.
    pub async fn trace_shown(
        &self,
        workspace: WorkspaceId,
        id: &TraceId,
        limit: usize,
        to_reviewer: bool,
    ) -> Result<Option<(TraceRow, Vec<SpanDetail>)>, Error> {
        let Some(row) = self.store.trace(workspace, id).await? else { return Ok(None) };
        let window = SpanWindow {
            limit: limit.clamp(1, self.limits.window_spans_max),
            ..SpanWindow::default()
        };
        let page = self.store.spans(workspace, id, &window).await?;
        let ids: Vec<_> = page.rows.iter().map(|r| (id.clone(), r.head.span_id.clone())).collect();
        let mut details = Vec::with_capacity(ids.len());
        let mut bytes = 0;
        for some in ids.chunks(SPANS_AT_ONCE) {
            for stored in self.load(workspace, some).await?.iter().flatten() {
                bytes += stored.parts.iter().map(Vec::len).sum::<usize>();
                if bytes > self.limits.answer_bytes_max && !details.is_empty() {
                    return Ok(Some((row, details)));
                }
                details.push(SpanDetail::of(stored, to_reviewer)?);
            }
        }
        Ok(Some((row, details)))
    }

    /// What a client has said about a trace as a whole.
    pub async fn registration(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<SpanDetail>, Error> {
        self.span(workspace, trace, &SpanId::registration()).await
    }

    /// A page of sessions.
    pub async fn sessions(
        &self,
        workspace: WorkspaceId,
        filter: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<SessionSummary>, Error> {
        let query = self.query(filter, Order::Newest, after, limit)?;
        Ok(self.store.sessions(workspace, &query).await?)
    }

    /// Sums over time.
    pub async fn analytics(
        &self,
        workspace: WorkspaceId,
        query: AnalyticsQuery,
    ) -> Result<Analytics, Error> {
        Ok(self.store.analytics(workspace, &query).await?)
    }

    /// How the installation is.
    pub async fn health(&self) -> Health {
        let db_connected = self.store.user_count().await.is_ok();
        let uptime = self.now().0.saturating_sub(self.started.0);
        Health {
            ok: db_connected,
            db_connected,
            rules_loaded: self.rules.current().rules.rules_loaded(),
            uptime_seconds: (uptime / 1_000_000) as f64 / 1e3,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
