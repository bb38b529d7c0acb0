//! The report as PDF, set in the fonts that every reader has (ISO 32000-1 section 9.6.2.2), so none is
//! carried along. Those know Western European letters only; others stand as `?`, and the page says to
//! read them in the HTML report.

use pdf_writer::{Content, Name, Pdf, Rect, Ref, Str, TextStr};

use super::{Block, Document};

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
/// Pages that a report may have.
const PAGES_MAX: usize = 2_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Font {
    Plain,
    Bold,
    Fixed,
}

impl Font {
    const ALL: [(Self, &'static [u8], &'static [u8]); 3] = [
        (Self::Plain, b"F1", b"Helvetica"),
        (Self::Bold, b"F2", b"Helvetica-Bold"),
        (Self::Fixed, b"F3", b"Courier"),
    ];

    fn name(self) -> &'static [u8] {
        match self {
            Self::Plain => b"F1",
            Self::Bold => b"F2",
            Self::Fixed => b"F3",
        }
    }

    /// Width of a character in thousandths of the size, after the fonts' published metrics; a little
    /// too wide where it is rounded, so that no line runs out of the page.
    fn width(self, byte: u8) -> u16 {
        if self == Self::Fixed {
            return 600;
        }
        let plain = match byte {
            b' ' | b'!' | b',' | b'.' | b'/' | b':' | b';' | b'I' | b'[' | b'\\' | b']' | b'f'
            | b't' => 278,
            b'i' | b'j' | b'l' | b'\'' | b'|' => 240,
            b'(' | b')' | b'-' | b'r' | b'`' | b'{' | b'}' => 334,
            b'c' | b'k' | b's' | b'v' | b'x' | b'y' | b'z' | b'J' => 500,
            b'm' | b'M' => 833,
            b'w' | b'C' | b'D' | b'H' | b'N' | b'R' | b'U' => 722,
            b'G' | b'O' | b'Q' => 778,
            b'A' | b'B' | b'E' | b'K' | b'P' | b'S' | b'V' | b'X' | b'Y' | b'&' => 667,
            b'F' | b'T' | b'Z' => 611,
            b'W' | b'%' => 944,
            b'@' => 1_015,
            b'+' | b'<' | b'=' | b'>' | b'~' => 584,
            0x80.. => 611,
            _ => 556,
        };
        if self == Self::Bold { plain + 28 } else { plain }
    }

    fn measure(self, text: &[u8], size: f32) -> f32 {
        let units: u32 = text.iter().map(|byte| u32::from(self.width(*byte))).sum();
        units as f32 * size / 1_000.0
    }
}

/// Writes the document.
pub fn pdf(document: &Document) -> Vec<u8> {
    let mut setter = Setter { pages: Vec::new(), content: Content::new(), y: HEIGHT - MARGIN };
    setter.lines(&document.title, Font::Bold, 20.0, 0.0);
    setter.space(6.0);
    document.blocks.iter().for_each(|block| setter.block(block));
    setter.turn();
    setter.finish(&document.title)
}

/// Sets lines onto pages from top to bottom.
struct Setter {
    pages: Vec<Vec<u8>>,
    content: Content,
    y: f32,
}

impl Setter {
    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading(level, title) => {
                let size = if *level == 1 { 14.0 } else { 11.0 };
                self.space(size);
                self.keep(4.0 * size);
                self.lines(title, Font::Bold, size, 0.0);
                self.space(3.0);
            }
            Block::Paragraph(words) => {
                self.lines(words, Font::Plain, 10.0, 0.0);
                self.space(6.0);
            }
            Block::Quote(words) => {
                self.lines(words, Font::Plain, 9.5, 18.0);
                self.space(6.0);
            }
            Block::Facts(facts) => {
                for (name, value) in facts {
                    self.keep(12.0);
                    let top = self.y;
                    self.line(&encode(name), Font::Bold, 9.0, MARGIN);
                    self.y = top;
                    self.lines(value, Font::Plain, 9.0, 84.0);
                }
                self.space(4.0);
            }
            Block::Table(columns, rows) => {
                let each = (WIDTH - 2.0 * MARGIN) / columns.len().max(1) as f32;
                let titles: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
                self.row(&titles, Font::Bold, each);
                rows.iter().for_each(|row| self.row(row, Font::Plain, each));
                self.space(6.0);
            }
            Block::Text(label, words) => {
                self.keep(24.0);
                self.lines(label, Font::Bold, 8.0, 12.0);
                self.lines(words, Font::Fixed, 8.0, 12.0);
                self.space(4.0);
            }
        }
    }

    /// A row of a table: the highest cell says where the next begins.
    fn row(&mut self, cells: &[String], font: Font, each: f32) {
        let size = 8.0;
        let wrapped: Vec<Vec<Vec<u8>>> =
            cells.iter().map(|cell| wrap(&encode(cell), font, size, each - 6.0)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(1) as f32 * size * 1.3;
        self.keep(height.min(HEIGHT - 2.0 * MARGIN));
        let top = self.y;
        let mut lowest = top;
        for (at, lines) in wrapped.iter().enumerate() {
            self.y = top;
            for line in lines.iter().take(40) {
                self.line(line, font, size, MARGIN + at as f32 * each);
            }
            lowest = lowest.min(self.y);
        }
        self.y = lowest - 2.0;
    }

    fn lines(&mut self, text: &str, font: Font, size: f32, indent: f32) {
        let room = WIDTH - 2.0 * MARGIN - indent;
        for line in text.split('\n') {
            for piece in wrap(&encode(line), font, size, room) {
                self.keep(size * 1.3);
                self.line(&piece, font, size, MARGIN + indent);
            }
        }
    }

    fn line(&mut self, text: &[u8], font: Font, size: f32, x: f32) {
        self.y -= size * 1.3;
        self.content.begin_text();
        self.content.set_font(Name(font.name()), size);
        self.content.next_line(x, self.y);
        self.content.show(Str(text));
        self.content.end_text();
    }

    fn space(&mut self, points: f32) {
        self.y -= points;
    }

    /// Turns the page unless this much room is left.
    fn keep(&mut self, points: f32) {
        if self.y - points < MARGIN {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let content = std::mem::replace(&mut self.content, Content::new());
        if self.pages.len() < PAGES_MAX {
            self.pages.push(content.finish().to_vec());
        }
        self.y = HEIGHT - MARGIN;
    }

    fn finish(self, title: &str) -> Vec<u8> {
        let mut next = 1;
        let mut fresh = || {
            next += 1;
            Ref::new(next - 1)
        };
        let (catalog, tree, info) = (fresh(), fresh(), fresh());
        let fonts: Vec<Ref> = Font::ALL.iter().map(|_| fresh()).collect();
        let pages: Vec<(Ref, Ref)> = self.pages.iter().map(|_| (fresh(), fresh())).collect();
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        pdf.document_info(info).title(TextStr(title)).producer(TextStr("Exhibit"));
        pdf.pages(tree).kids(pages.iter().map(|(page, _)| *page)).count(pages.len() as i32);
        for ((_, _, base), id) in Font::ALL.iter().zip(&fonts) {
            let mut font = pdf.type1_font(*id);
            font.base_font(Name(base)).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        let total = pages.len();
        for (number, ((page, stream), content)) in pages.iter().zip(&self.pages).enumerate() {
            let mut content = content.clone();
            content.extend_from_slice(&footer(number + 1, total));
            pdf.stream(*stream, &content);
            let mut page = pdf.page(*page);
            page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(*stream);
            let mut resources = page.resources();
            let mut named = resources.fonts();
            for ((_, name, _), id) in Font::ALL.iter().zip(&fonts) {
                named.pair(Name(name), *id);
            }
        }
        pdf.finish()
    }
}

fn footer(number: usize, total: usize) -> Vec<u8> {
    let mut content = Content::new();
    content.begin_text();
    content.set_font(Name(Font::Plain.name()), 7.5);
    content.next_line(MARGIN, MARGIN / 2.0);
    let text = format!(
        "Page {number} of {total}. The records of the bundle count; letters shown as ? stand in \
         report.html."
    );
    content.show(Str(&encode(&text)));
    content.end_text();
    [b"\n".to_vec(), content.finish().to_vec()].concat()
}

/// Breaks a line where it grows too wide, at a space where there is one.
fn wrap(text: &[u8], font: Font, size: f32, room: f32) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let (mut width, mut end, mut space) = (0.0, 0, None);
        while let Some(byte) = rest.get(end) {
            width += font.measure(&[*byte], size);
            if width > room && end > 0 {
                break;
            }
            end += 1;
            if *byte == b' ' {
                space = Some(end);
            }
        }
        if end == rest.len() {
            lines.push(rest.to_vec());
            return lines;
        }
        let cut = space.unwrap_or(end);
        lines.push(rest[..cut].to_vec());
        rest = &rest[cut..];
    }
}

/// Windows code page 1252 (ISO 32000-1 annex D.2), as far as Latin-1 goes and the usual punctuation.
fn encode(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| match c {
            '\t' => b' ',
            ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(c)).unwrap_or(b'?'),
            '€' => 0x80,
            '…' => 0x85,
            '‘' => 0x91,
            '’' => 0x92,
            '“' => 0x93,
            '”' => 0x94,
            '–' => 0x96,
            '—' => 0x97,
            _ => b'?',
        })
        .collect()
}
