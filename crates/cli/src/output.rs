//! What goes to the terminal: results to standard output, everything else to standard error.
//! Colours only on a terminal; JSON where asked.

mod table;

use std::io::{self, IsTerminal as _, Write as _};

use clap::ColorChoice;
use serde::Serialize;

use crate::args::Global;

pub(crate) use table::Table;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Print JSON.
    pub(crate) json: bool,
    /// Print results only.
    pub(crate) quiet: bool,
    colour_out: bool,
    colour_err: bool,
}

/// A colour or weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Style {
    fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        }
    }
}

impl Output {
    /// As the flags and the environment say (`NO_COLOR`, see no-color.org).
    pub(crate) fn new(global: &Global) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let colour = |terminal: bool| match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !no_color,
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            colour_out: colour(io::stdout().is_terminal()),
            colour_err: colour(io::stderr().is_terminal()),
        }
    }

    /// Text in a style, for standard output.
    pub(crate) fn styled(self, style: Style, text: &str) -> String {
        paint(self.colour_out, style, text)
    }

    /// Prints a line to standard output.
    #[allow(clippy::unused_self, reason = "all printing goes through one door")]
    pub(crate) fn line(self, text: impl AsRef<str>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_ref().as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Prints text to standard output as it stands.
    #[allow(clippy::unused_self, reason = "all printing goes through one door")]
    pub(crate) fn raw(self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Prints a JSON document, on one line.
    pub(crate) fn json(self, value: &impl Serialize) -> io::Result<()> {
        self.line(serde_json::to_string(value)?)
    }

    /// Tells something beside the result.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.quiet {
            self.err(&format!(
                "{} {}",
                paint(self.colour_err, Style::Bold, "note:"),
                text.as_ref()
            ));
        }
    }

    /// Tells what may need attention.
    pub(crate) fn warn(self, text: impl AsRef<str>) {
        let label = paint(self.colour_err, Style::Yellow, "warning:");
        self.err(&format!("{label} {}", text.as_ref()));
    }

    /// Tells what to do.
    pub(crate) fn hint(self, text: impl AsRef<str>) {
        if !self.quiet {
            self.err(&format!(
                "{} {}",
                paint(self.colour_err, Style::Bold, "hint:"),
                text.as_ref()
            ));
        }
    }

    /// Tells that it failed.
    pub(crate) fn error(self, text: impl AsRef<str>) {
        self.err(&format!("{} {}", paint(self.colour_err, Style::Red, "error:"), text.as_ref()));
    }

    /// Whether progress may be drawn.
    pub(crate) fn draws_progress(self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    #[allow(clippy::unused_self, reason = "all printing goes through one door")]
    fn err(self, text: &str) {
        // Nobody may be there to read it; that is no reason to fail.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

fn paint(colour: bool, style: Style, text: &str) -> String {
    if colour { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.to_owned() }
}

/// Text of a client made fit for a terminal: control characters would move the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

/// One line of client text, at most `max` characters.
pub(crate) fn clipped(text: &str, max: usize) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max + 1).collect();
    if line.chars().count() > max {
        line = line.chars().take(max.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

/// Milliseconds as people read them: `350ms`, `1.24s`, `2m 05s`.
pub(crate) fn latency(ms: f64) -> String {
    if ms < 0.0 || !ms.is_finite() {
        "-".to_owned()
    } else if ms < 1_000.0 {
        format!("{ms:.0}ms")
    } else if ms < 60_000.0 {
        format!("{:.2}s", ms / 1_000.0)
    } else {
        let seconds = (ms / 1_000.0).round() as u64;
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

/// Dollars with as many digits as say something: `$0.00187`, `$12.50`.
pub(crate) fn dollars(nano: i64) -> String {
    let (whole, fraction) = (nano / 1_000_000_000, (nano % 1_000_000_000).abs());
    let digits = format!("{fraction:09}");
    let keep = digits.trim_end_matches('0').len().max(2);
    format!("${whole}.{}", &digits[..keep])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_readable() {
        assert_eq!(dollars(1_870_000), "$0.00187");
        assert_eq!(dollars(12_500_000_000), "$12.50");
        assert_eq!(dollars(0), "$0.00");
        assert_eq!(dollars(1), "$0.000000001");
        assert_eq!(latency(1_240.0), "1.24s");
        assert_eq!(latency(350.4), "350ms");
        assert_eq!(latency(125_000.0), "2m 05s");
    }

    #[test]
    fn client_text_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\n");
        assert_eq!(clipped("a\nb\x07c", 10), "a b c");
        assert_eq!(clipped("abcdef", 4), "abc…");
    }
}
