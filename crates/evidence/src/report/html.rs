//! The report as one HTML page: no scripts, nothing loaded from anywhere.

use super::{Block, Document};

const STYLE: &str = "body{font:15px/1.5 Georgia,serif;max-width:52em;margin:3em auto;padding:0 1em;\
color:#1b1b1b;background:#fff}h1,h2,h3{font-family:Helvetica,Arial,sans-serif;line-height:1.2}\
h1{border-bottom:2px solid}h2{margin-top:2em;border-bottom:1px solid #bbb}h3{margin-top:1.5em}\
table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;padding:.3em .6em;\
border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f2;padding:.8em;font-size:12px}\
blockquote{margin:1em 0;padding:.2em 1em;border-left:4px solid #888}dl{display:grid;\
grid-template-columns:9em 1fr;gap:.1em 1em;font-size:14px}dt{font-weight:bold}\
dd{margin:0;overflow-wrap:anywhere}.label{font:bold 12px Helvetica,Arial,sans-serif}\
@media print{pre{page-break-inside:auto}h2,h3{page-break-after:avoid}}";

/// Writes the page.
pub fn html(document: &Document) -> String {
    let mut out = String::with_capacity(16 << 10);
    // Whatever stands in a record, no browser runs or fetches any of it.
    out.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>");
    text(&document.title, &mut out);
    out.push_str("</title><style>");
    out.push_str(STYLE);
    out.push_str("</style></head><body>\n");
    element("h1", &document.title, &mut out);
    for block in &document.blocks {
        write(block, &mut out);
    }
    out.push_str("</body></html>\n");
    out
}

fn write(block: &Block, out: &mut String) {
    match block {
        Block::Heading(1, title) => element("h2", title, out),
        Block::Heading(_, title) => element("h3", title, out),
        Block::Paragraph(words) => element("p", words, out),
        Block::Quote(words) => element("blockquote", words, out),
        Block::Facts(facts) => {
            out.push_str("<dl>");
            for (name, value) in facts {
                element("dt", name, out);
                element("dd", value, out);
            }
            out.push_str("</dl>\n");
        }
        Block::Table(columns, rows) => {
            out.push_str("<table><tr>");
            columns.iter().for_each(|column| element("th", column, out));
            out.push_str("</tr>\n");
            for row in rows {
                out.push_str("<tr>");
                row.iter().for_each(|cell| element("td", cell, out));
                out.push_str("</tr>\n");
            }
            out.push_str("</table>\n");
        }
        Block::Text(label, words) => {
            out.push_str("<div class=\"label\">");
            text(label, out);
            out.push_str("</div>");
            element("pre", words, out);
        }
    }
}

fn element(tag: &str, content: &str, out: &mut String) {
    out.push_str(&format!("<{tag}>"));
    text(content, out);
    out.push_str(&format!("</{tag}>\n"));
}

fn text(content: &str, out: &mut String) {
    for c in content.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Controls and the marks that turn the order of writing show themselves.
            '\n' | '\t' => out.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push_str(&format!("[U+{:04X}]", u32::from(c)));
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}
