/**
 * The spans of a trace as a tree that grows: windows of the API and live events go in, rows in reading
 * order come out. Nothing here recurses, so a chain of a hundred thousand spans is one more trace.
 */
import type { LiveSpan } from "../../../api/live";
import type { SpanPreview } from "../../../api/types";

export interface Node {
  index: number;
  id: string;
  parent: string | null;
  name: string;
  kind: string;
  status: string;
  /** Milliseconds from the base of the trace. */
  start: number;
  end: number | null;
  tokens: number;
  tokensIn: number;
  tokensOut: number;
  /** Billionths of a dollar. */
  cost: number | null;
  costSource: string;
  counted: boolean;
  model: string | null;
  agent: string | null;
  verdict: string;
  findings: number;
  input: string | null;
  output: string | null;
  sealed: boolean;
  children: Node[];
  depth: number;
}

export interface Sum {
  tokens: number;
  cost: number;
  /** Whether any cost in it is unknown. */
  unknown: boolean;
  spans: number;
  errors: number;
}

export class TraceModel {
  readonly base: bigint;
  readonly nodes: Node[] = [];
  readonly byId = new Map<string, Node>();
  /** Grows with every change. */
  version = 0;
  private order: Node[] | null = null;
  private tops: Node[] = [];
  private readonly waiting = new Map<string, Node[]>();
  private sumsCache: Map<Node, Sum> | null = null;

  constructor(startNs: string) {
    this.base = BigInt(startNs);
  }

  add(spans: SpanPreview[]) {
    for (const span of spans) this.put(span);
    this.changed();
  }

  /** A live event knows less than a window: what it does not tell stays. */
  live(span: LiveSpan) {
    const old = this.byId.get(span.span_id);
    this.put({ ...span, model: span.model ?? old?.model ?? null } as Partial<SpanPreview> & LiveSpan);
    this.changed();
  }

  private changed() {
    this.version++;
    this.order = null;
    this.sumsCache = null;
  }

  private put(span: Partial<SpanPreview> & LiveLike) {
    const old = this.byId.get(span.span_id);
    const node: Node = old ?? blank(this.nodes.length, span.span_id);
    const parent = span.parent_span_id && span.parent_span_id !== span.span_id ? span.parent_span_id : null;
    const start = Number(BigInt(span.start_ns) - this.base) / 1e6;
    const moved = old !== undefined && (old.parent !== parent || old.start !== start);
    node.parent = parent;
    node.name = span.name || span.span_id;
    node.kind = span.span_type;
    node.status = span.status;
    node.start = start;
    node.end = span.end_ns ? Number(BigInt(span.end_ns) - this.base) / 1e6 : null;
    node.model = span.model ?? node.model;
    if (span.tokens_in !== undefined || span.tokens_out !== undefined) {
      node.tokensIn = span.tokens_in ?? 0;
      node.tokensOut = span.tokens_out ?? 0;
      node.tokens = node.tokensIn + node.tokensOut;
    }
    if (span.cost_source !== undefined) {
      node.cost = span.cost_nano_usd == null ? null : Number(span.cost_nano_usd);
      node.costSource = span.cost_source;
    }
    if (span.usage_counted !== undefined) node.counted = span.usage_counted;
    node.agent = span.agent_name ?? node.agent;
    node.verdict = span.verdict ?? node.verdict;
    node.findings = span.findings ?? node.findings;
    node.input = span.input_preview ?? node.input;
    node.output = span.output_preview ?? node.output;
    if (span.log_index !== undefined) node.sealed = span.log_index !== null;
    if (!old) {
      this.nodes.push(node);
      this.byId.set(node.id, node);
      const children = this.waiting.get(node.id);
      if (children) {
        node.children = children;
        this.waiting.delete(node.id);
        const found = new Set(children);
        this.tops = this.tops.filter((top) => !found.has(top));
      }
      this.hang(node);
    } else if (moved) {
      for (const other of this.nodes) other.children = [];
      this.tops = [];
      this.waiting.clear();
      for (const other of this.nodes) this.hang(other);
    }
  }

  private hang(node: Node) {
    const parent = node.parent === null ? undefined : this.byId.get(node.parent);
    if (parent) insert(parent.children, node);
    else {
      insert(this.tops, node);
      if (node.parent !== null) {
        const list = this.waiting.get(node.parent);
        if (list) insert(list, node);
        else this.waiting.set(node.parent, [node]);
      }
    }
  }

  /** Every span in reading order, with its depth. Spans in a circle of parents hang at the top. */
  all(): Node[] {
    if (this.order) return this.order;
    const seen = new Uint8Array(this.nodes.length);
    const out: Node[] = [];
    const walk = (top: Node) => {
      const stack: Node[] = [top];
      top.depth = 0;
      while (stack.length > 0) {
        const node = stack.pop() as Node;
        if (seen[node.index]) continue;
        seen[node.index] = 1;
        out.push(node);
        for (let i = node.children.length - 1; i >= 0; i--) {
          const child = node.children[i] as Node;
          if (seen[child.index]) continue;
          child.depth = node.depth + 1;
          stack.push(child);
        }
      }
    };
    for (const top of this.tops) walk(top);
    if (out.length < this.nodes.length) for (const node of this.nodes) if (!seen[node.index]) walk(node);
    this.order = out;
    return out;
  }

  /** The rows in sight when some spans are folded. */
  rows(isFolded: (id: string) => boolean): Node[] {
    const out: Node[] = [];
    let hiddenBelow = Number.POSITIVE_INFINITY;
    for (const node of this.all()) {
      if (node.depth > hiddenBelow) continue;
      hiddenBelow = node.children.length > 0 && isFolded(node.id) ? node.depth : Number.POSITIVE_INFINITY;
      out.push(node);
    }
    return out;
  }

  /** The latest end; `now` stands in for spans that run. */
  end(now: number): number {
    let last = 0;
    for (const node of this.nodes) {
      const end = node.end ?? (node.status === "running" ? now : node.start);
      if (end > last) last = end;
    }
    return last;
  }

  /** What each span and all below it add up to. Only usage that counts is summed. */
  sums(): Map<Node, Sum> {
    if (this.sumsCache) return this.sumsCache;
    const sums = new Map<Node, Sum>();
    const all = this.all();
    for (let i = all.length - 1; i >= 0; i--) {
      const node = all[i] as Node;
      const sum: Sum = {
        tokens: node.counted ? node.tokens : 0,
        cost: node.counted ? (node.cost ?? 0) : 0,
        unknown: node.counted && node.cost === null && node.tokens > 0,
        spans: 1,
        errors: node.status === "error" ? 1 : 0,
      };
      for (const child of node.children) {
        const below = sums.get(child);
        if (!below) continue;
        sum.tokens += below.tokens;
        sum.cost += below.cost;
        sum.unknown ||= below.unknown;
        sum.spans += below.spans;
        sum.errors += below.errors;
      }
      sums.set(node, sum);
    }
    this.sumsCache = sums;
    return sums;
  }

  /** The enclosing spans, outermost first, the span itself last. */
  path(id: string): Node[] {
    const out: Node[] = [];
    const seen = new Set<string>();
    let node = this.byId.get(id);
    while (node && !seen.has(node.id)) {
      seen.add(node.id);
      out.unshift(node);
      node = node.parent === null ? undefined : this.byId.get(node.parent);
    }
    return out;
  }
}

type LiveLike = Pick<SpanPreview, "span_id" | "span_type" | "status" | "start_ns"> & {
  parent_span_id?: string | null;
  name?: string | null;
  end_ns?: string | null;
  model?: string | null;
};

function blank(index: number, id: string): Node {
  return {
    index, id, parent: null, name: id, kind: "custom", status: "ok", start: 0, end: null, tokens: 0, tokensIn: 0,
    tokensOut: 0, cost: null, costSource: "none", counted: false, model: null, agent: null, verdict: "pass",
    findings: 0, input: null, output: null, sealed: false, children: [], depth: 0,
  };
}

/** Keeps a list in order of start; what arrives is nearly always the latest. */
function insert(list: Node[], node: Node) {
  let at = list.length;
  while (at > 0 && (list[at - 1] as Node).start > node.start) at--;
  if (at === list.length) list.push(node);
  else list.splice(at, 0, node);
}
