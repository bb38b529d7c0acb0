//! CSV (RFC 4180): quoted where needed, lines end with CR LF.

use std::io::{self, Write};

use exhibit_model::JsonMap;

use super::column::{COLUMNS, Kind, text};

/// Writes the names of the columns.
pub(super) fn head(out: &mut impl Write) -> io::Result<()> {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    write!(out, "{}\r\n", names.join(","))
}

/// Writes a row. A text that a spreadsheet would take for a formula gets an apostrophe before it.
pub(super) fn row(out: &mut impl Write, row: &JsonMap) -> io::Result<()> {
    for (n, (name, kind)) in COLUMNS.iter().enumerate() {
        if n > 0 {
            out.write_all(b",")?;
        }
        let Some(mut cell) = text(row, name) else { continue };
        if *kind == Kind::Text && cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            cell.insert(0, '\'');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            cell = format!("\"{}\"", cell.replace('"', "\"\""));
        }
        out.write_all(cell.as_bytes())?;
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use exhibit_model::Json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_not_run() {
        let Json::Object(span) = serde_json::json!({
            "trace_id": "t", "name": "=1+1", "input": {"a": "x, \"y\""}, "cost": -1.5, "tags": [],
        }) else {
            panic!("an object")
        };
        let mut out = Vec::new();
        row(&mut out, &span).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.starts_with("t,,,'=1+1,"), "{line}");
        assert!(line.contains(r#","{""a"":""x, \""y\""""}","#), "{line}");
        assert!(line.contains(",-1.5,"), "{line}");
        assert!(line.ends_with("\r\n"));
    }
}
