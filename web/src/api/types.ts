/** Names for the shapes of the API, which are generated in `schema.ts`. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Account = Schemas["Account"];
export type Analytics = Schemas["AnalyticsView"];
export type Group = Schemas["GroupView"];
export type Key = Schemas["Key"];
export type Me = Schemas["Me"];
export type Measures = Schemas["MeasuresView"];
export type Member = Schemas["MemberView"];
export type Place = Schemas["Place"];
export type Rules = Schemas["Rules"];
export type Session = Schemas["SessionView"];
export type Finding = Schemas["FindingView"];
export type Trace = Schemas["Trace"];
export type SpanMatches = Schemas["SpanMatches"];
export type SpanPreview = Schemas["SpanPreview"];
export type Health = Schemas["Health"];
export type CreatedKey = Schemas["Created"];
export type Problem = Schemas["ProblemBody"];

/** One attribute as it was received. */
export interface RawAttribute {
  key: string;
  value: unknown;
  part: string;
}

/** One part of a message, as the recorder has read it. */
export interface MessagePart {
  type: string;
  content?: unknown;
  name?: string;
  id?: string;
  arguments?: unknown;
  response?: unknown;
  result?: unknown;
  [key: string]: unknown;
}

export interface Message {
  role: string;
  name?: string;
  parts: MessagePart[];
}

/** A span with everything, raw attributes included. */
export type Span = Omit<Schemas["NativeSpan"], "input_messages" | "output_messages"> & {
  input_messages: Message[];
  output_messages: Message[];
  raw?: RawAttribute[];
};

export interface Listing<T> {
  data: T[];
  next_cursor?: string | null;
  has_more: boolean;
}

export interface Price {
  model: string;
  aliases: string[];
  provider: string | null;
  from: string | null;
  until: string | null;
  rates: Record<string, string>;
}

export interface Pricing {
  file: string;
  hash: string;
  unit: string;
  default: Record<string, string> | null;
  models: Price[];
  table: { name: string; version: string; models: number; providers: { id: string; name: string; models: number }[] };
}
