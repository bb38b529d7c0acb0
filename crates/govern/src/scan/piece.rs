//! A text in the pieces in which it is looked at: without the bodies of images and recordings, as a reader
//! sees it, and with what it holds in another encoding.

use super::{
    Engine, HITS_MAX, Hit, Look, Scratch, decoded, media,
    view::{self, View},
};

/// Views are made of so many bytes at a time, so that memory stays bounded; pieces overlap by the second.
const VIEW_BYTES: (usize, usize) = (256 << 10, 8 << 10);

impl Engine {
    /// All hits before overlaps are resolved.
    pub(super) fn scan_raw(&self, text: &str, look: Look<'_>, scratch: &mut Scratch) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut from = 0;
        for body in media::bodies(text) {
            self.scan_piece(text, from..body.start, look, scratch, &mut hits);
            from = body.end;
        }
        self.scan_piece(text, from..text.len(), look, scratch, &mut hits);
        hits
    }

    fn scan_piece(
        &self,
        text: &str,
        range: std::ops::Range<usize>,
        look: Look<'_>,
        scratch: &mut Scratch,
        hits: &mut Vec<Hit>,
    ) {
        let from = range.start;
        let Some(piece) = text.get(range).filter(|_| hits.len() < HITS_MAX) else { return };
        let mut found = Vec::new();
        if view::hides_characters(piece) {
            self.scan_views(piece, look, scratch, &mut found);
        } else {
            self.sweep(piece, look, scratch);
            self.try_patterns(piece, look, scratch, &mut found);
        }
        self.scan_decoded(piece, look, scratch, &mut found);
        for hit in &mut found {
            (hit.start, hit.end) = (from + hit.start, from + hit.end);
        }
        hits.append(&mut found);
    }

    /// What stands in a text in another encoding is found under the range of the encoded text.
    fn scan_decoded(&self, text: &str, look: Look<'_>, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        decoded::base64_runs(text, |range, inner| {
            if hits.len() >= HITS_MAX {
                return;
            }
            let mut found = Vec::new();
            self.sweep(inner, look, scratch);
            self.try_patterns(inner, look, scratch, &mut found);
            found.retain(Hit::is_sure);
            hits.extend(found.into_iter().map(|hit| Hit {
                start: range.start,
                end: range.end,
                ..hit
            }));
        });
        if !decoded::has_percent_escapes(text) {
            return;
        }
        let first = hits.len();
        let decoded = decoded::Percent::of(text);
        self.sweep(&decoded.text, look, scratch);
        self.try_patterns(&decoded.text, look, scratch, hits);
        for hit in &mut hits[first..] {
            (hit.start, hit.end) = (decoded.start(hit.start), decoded.end(hit.end));
        }
        // What stands there without any escape was found already.
        let plain = |hit: &Hit| text.get(hit.start..hit.end) == Some(hit.value.as_str());
        let mut n = 0;
        hits.retain(|hit| {
            n += 1;
            n <= first || !plain(hit)
        });
    }

    fn scan_views(&self, text: &str, look: Look<'_>, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let mut from = 0;
        while from < text.len() && hits.len() < HITS_MAX {
            let to = text.floor_char_boundary((from + VIEW_BYTES.0).min(text.len()));
            let view = View::of(&text[from..to]);
            let first = hits.len();
            self.sweep(&view.text, look, scratch);
            self.try_patterns(&view.text, look, scratch, hits);
            for hit in &mut hits[first..] {
                (hit.start, hit.end) = (from + view.start(hit.start), from + view.end(hit.end));
            }
            if to == text.len() {
                break;
            }
            from = text.floor_char_boundary(to - VIEW_BYTES.1);
        }
    }
}
