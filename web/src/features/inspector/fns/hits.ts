/** The places of a trace where a phrase stands, in the order of the tree. */
import type { SpanMatches } from "../../../api/types";
import type { Node } from "./model";

type Match = SpanMatches["hits"][number];

export interface Place {
  node: Node;
  /** Which of the span's places it is, from 0. */
  nth: number;
  /** Where in what was recorded; none where only what the tree itself shows has the phrase. */
  match: Match | null;
}

const shown = (node: Node, words: string) => [node.name, node.model, node.agent, node.kind, node.id, node.input, node.output].some((text) => text?.toLowerCase().includes(words));

/** Places of all spans, those below others in between, as reading goes. */
export function placesOf(rows: readonly Node[], phrase: string, found: ReadonlyMap<string, SpanMatches>): Place[] {
  const words = phrase.toLowerCase().trim();
  const places: Place[] = [];
  if (!words) return places;
  for (const node of rows) {
    const matches = found.get(node.id)?.hits ?? [];
    places.push(...matches.map((match, nth) => ({ node, nth, match })));
    // What the page has already is found while the server still looks.
    if (matches.length === 0 && shown(node, words)) places.push({ node, nth: 0, match: null });
  }
  return places;
}

/** Where the selection stands among the places; -1 where it is none of them. */
export const placeAt = (places: readonly Place[], span: string | undefined, nth: number): number => {
  const exact = places.findIndex((place) => place.node.id === span && place.nth === nth);
  return exact >= 0 ? exact : places.findIndex((place) => place.node.id === span);
};

/** The place a step further, around the ends; from a span that has none, the nearest in the direction. */
export function nextPlace(places: readonly Place[], rows: readonly Node[], span: string | undefined, nth: number, by: 1 | -1): Place | undefined {
  const at = placeAt(places, span, nth);
  if (at >= 0) return places[(at + by + places.length) % places.length];
  const order = new Map(rows.map((node, i) => [node.id, i]));
  const from = span === undefined ? -1 : (order.get(span) ?? -1);
  if (by > 0) return places.find((place) => (order.get(place.node.id) ?? 0) > from) ?? places[0];
  return places.findLast((place) => (order.get(place.node.id) ?? 0) < from) ?? places.at(-1);
}

/** A text cut at code points, as the API counts. */
export function cut(match: Match): [string, string, string] {
  const points = Array.from(match.excerpt);
  const piece = (from: number, to?: number) => points.slice(from, to).join("");
  return [piece(0, match.excerpt_start), piece(match.excerpt_start, match.excerpt_end), piece(match.excerpt_end)];
}
