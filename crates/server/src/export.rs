//! Spans as files: JSON, JSON lines, CSV, Parquet, OTLP. Written piece by piece, whatever their number.

mod column;
mod csv;
mod otlp;
mod table;

use std::io::{self, Write};

use exhibit_recorder::{Error, SpanExport};
use serde::Deserialize;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use crate::view::span::SpanDocument;

/// What an export is written as.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One span per line, with everything that `GET /api/v1/traces/{id}/spans/{span}` shows.
    #[default]
    Jsonl,
    /// The same as one list.
    Json,
    /// One row per span, with the fields that people sort and sum by (RFC 4180).
    Csv,
    /// The same columns, typed.
    Parquet,
    /// OTLP requests as JSON, one per line, as a collector's file exporter writes them.
    Otlp,
}

impl Format {
    /// How the log names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "spans-jsonl",
            Self::Json => "spans-json",
            Self::Csv => "spans-csv",
            Self::Parquet => "spans-parquet",
            Self::Otlp => "spans-otlp",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl | Self::Otlp => "application/jsonl",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    pub(crate) fn disposition(self) -> &'static str {
        match self {
            Self::Jsonl => "attachment; filename=\"spans.jsonl\"",
            Self::Json => "attachment; filename=\"spans.json\"",
            Self::Csv => "attachment; filename=\"spans.csv\"",
            Self::Parquet => "attachment; filename=\"spans.parquet\"",
            Self::Otlp => "attachment; filename=\"spans.otlp.jsonl\"",
        }
    }
}

/// Writes an export. Only for blocking threads.
///
/// # Errors
/// The store fails, or nobody reads any more.
pub(crate) fn write(
    format: Format,
    export: &SpanExport,
    mut out: impl Write + Send,
    runtime: &Handle,
) -> Result<(), Error> {
    match format {
        Format::Jsonl => export.each(runtime, |details| {
            details.iter().try_for_each(|detail| {
                serde_json::to_writer(&mut out, &SpanDocument::of(detail))?;
                out.write_all(b"\n")
            })
        })?,
        Format::Json => {
            let mut before: &[u8] = b"[\n";
            export.each(runtime, |details| {
                details.iter().try_for_each(|detail| {
                    out.write_all(std::mem::replace(&mut before, b",\n"))?;
                    Ok(serde_json::to_writer(&mut out, &SpanDocument::of(detail))?)
                })
            })?;
            let end: &[u8] = if before == b"[\n" { b"[]\n" } else { b"\n]\n" };
            out.write_all(end).map_err(|error| closed(&error))?;
        }
        Format::Csv => {
            csv::head(&mut out).map_err(|error| closed(&error))?;
            export.each(runtime, |details| {
                details
                    .iter()
                    .try_for_each(|detail| csv::row(&mut out, &SpanDocument::of(detail).into_map()))
            })?;
        }
        Format::Parquet => {
            let mut table = table::Table::new(out).map_err(|error| closed(&error))?;
            export.each(runtime, |details| {
                details.iter().try_for_each(|detail| table.add(SpanDocument::of(detail).into_map()))
            })?;
            return table.finish().map_err(|error| closed(&error));
        }
        Format::Otlp => export.each(runtime, |details| {
            serde_json::to_writer(&mut out, &otlp::request(details))?;
            out.write_all(b"\n")
        })?,
    }
    out.flush().map_err(|error| closed(&error))
}

fn closed(error: &io::Error) -> Error {
    Error::Internal(error.to_string())
}
