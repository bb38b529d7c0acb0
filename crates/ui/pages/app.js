// The plain pages: set-up, login, keys, newest traces, one trace. No library, no third party.
// `pages` maps an address to what draws it; `h` makes elements, so nothing is ever parsed as HTML.

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const status = document.getElementById("status");

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

function show(title, ...content) {
  document.title = `${title} · Exhibit`;
  main.replaceChildren(h("h1", {}, title), ...content.flat().filter((child) => child != null));
  main.focus({ preventScroll: true });
}

function say(text) {
  status.textContent = text;
  setTimeout(() => { if (status.textContent === text) status.textContent = ""; }, 4000);
}

class Refused extends Error {
  constructor(response, problem) {
    super(problem?.detail ?? `The server answered ${response.status}.`);
    this.status = response.status;
  }
}

async function call(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (place()) headers["x-exhibit-workspace"] = place();
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const answer = isJson ? await response.json() : null;
  if (!response.ok) throw new Refused(response, answer);
  return answer;
}

// The workspace this browser acts in; the personal one unless chosen.
const PLACE = "exhibit.workspace";
const place = () => localStorage.getItem(PLACE);
const go = (id) => (id ? localStorage.setItem(PLACE, id) : localStorage.removeItem(PLACE));

const get = (path) => call("GET", path);

// Forms --------------------------------------------------------------------------------------

function form(fields, action, label) {
  const error = h("p", { class: "error", role: "alert" });
  const button = h("button", { class: "main" }, label);
  return h("form", {
    class: "stack",
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      error.textContent = "";
      try {
        await action(Object.fromEntries(new FormData(event.target)));
      } catch (failure) {
        error.textContent = failure.message;
      } finally {
        button.disabled = false;
      }
    },
  }, ...fields.map(([name, text, attributes]) =>
    h("label", {}, text, h("input", { name, required: true, ...attributes }))), error, button);
}

const EMAIL = ["email", "E-mail", { type: "email", autocomplete: "username" }];
const NAME = ["display_name", "Name to show (optional)", { autocomplete: "name", required: false }];
const NEW_PASSWORD = ["password", "Password (at least 10 characters)",
  { type: "password", autocomplete: "new-password", minlength: 10 }];

function clean(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}

const goal = () => {
  const next = new URLSearchParams(location.search).get("next") ?? "/";
  return next.startsWith("/") && !next.startsWith("//") ? next : "/";
};

function login() {
  show("Log in", form([EMAIL, ["password", "Password", { type: "password", autocomplete: "current-password" }]],
    async (values) => {
      go(null);
      await call("POST", "/api/v1/auth/login", values);
      location.assign(goal());
    }, "Log in"), h("p", {}, "No account yet? ", h("a", { href: "/register" }, "Register")));
}

function register() {
  show("Register", h("p", {}, "Your account comes with a workspace of its own."),
    form([EMAIL, NAME, NEW_PASSWORD], async (values) => {
      go(null);
      await call("POST", "/api/v1/auth/register", clean(values));
      await call("POST", "/api/v1/auth/login", { email: values.email, password: values.password });
      location.assign("/keys");
    }, "Create account"));
}

function setup() {
  const token = new URLSearchParams(location.search).get("token") ?? "";
  // The token must not stay in the address bar and the history.
  history.replaceState(null, "", "/setup");
  if (!token) {
    show("Set up", h("p", {}, "Open the one-time link that the server printed when it started."));
    return;
  }
  show("Set up this installation",
    h("p", {}, "Make the account that owns the workspace “default”. This link works once."),
    form([EMAIL, NAME, NEW_PASSWORD], async (values) => {
      go(null);
      await call("POST", "/api/v1/auth/setup", clean({ ...values, token }));
      // The keys that the server printed belong there.
      go("default");
      location.assign("/");
    }, "Claim"));
}

// Small pieces -------------------------------------------------------------------------------

const STATUS = { ok: "good", error: "bad", running: "info", incomplete: "warn" };
const VERDICT = { pass: "good", warning: "warn", fail: "bad", review: "warn", quarantined: "bad" };
const SOURCE = { agent: ["Agent", "good"], table: ["Estimated", "info"], default: ["Default Rate", "warn"] };

const badge = (text, tone) => h("span", { class: `badge ${tone ?? "plain"}` }, text);

function cost(item) {
  if (item.cost_nano_usd == null) {
    return item.tokens_in || item.tokens_out ? badge("cost unknown", "plain") : null;
  }
  const [label, tone] = SOURCE[item.cost_source] ?? [item.cost_source, "plain"];
  const dollars = Number(item.cost_nano_usd) / 1e9;
  const text = dollars === 0 || dollars >= 0.01 ? dollars.toFixed(4) : dollars.toPrecision(3);
  return h("span", { title: `${item.cost_nano_usd} nano-USD` }, `$${text} `, badge(label, tone));
}

function duration(ms) {
  if (ms == null) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 60000).toFixed(1)} min`;
}

const moment = (text) => new Date(text).toLocaleString();
const tokens = (item) =>
  item.tokens_in || item.tokens_out ? `${item.tokens_in ?? 0} → ${item.tokens_out ?? 0} tokens` : "";

function snippet(text) {
  return h("div", { class: "snippet" }, h("pre", {}, h("code", {}, text)), h("button", {
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        say("Copied.");
      } catch {
        say("Copying is not allowed here; select the text instead.");
      }
    },
  }, "Copy"));
}

function snippets(key) {
  const base = location.origin;
  const shown = key ?? "$EXHIBIT_API_KEY";
  return [
    h("h2", {}, "Send your first trace"),
    snippet(`curl ${base}/api/traces \\
  -H "Authorization: Bearer ${shown}" -H "Content-Type: application/json" \\
  -d '{"model":"gpt-4o-mini","input":"Explain transformers","output":"A transformer is …","metrics":{"promptTokens":12,"completionTokens":184}}'`),
    h("p", {}, "Any OpenTelemetry exporter:"),
    snippet(`export OTEL_EXPORTER_OTLP_ENDPOINT=${base}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_HEADERS="x-api-key=${shown}"`),
  ];
}

// Traces -------------------------------------------------------------------------------------

function traceRow(trace) {
  return h("tr", {},
    h("td", {}, h("a", { href: `/traces/${encodeURIComponent(trace.trace_id)}` }, trace.name || trace.trace_id),
      trace.input_preview ? h("div", { class: "soft" }, trace.input_preview.slice(0, 120)) : null),
    h("td", {}, badge(trace.status, STATUS[trace.status]), " ",
      trace.verdict === "pass" ? null : badge(trace.verdict, VERDICT[trace.verdict])),
    h("td", {}, [...trace.models].join(", ")),
    h("td", { class: "num" }, duration(trace.duration_ms)),
    h("td", { class: "num" }, trace.tokens_total ? String(trace.tokens_total) : "–"),
    h("td", { class: "num" }, cost(trace) ?? "–"),
    h("td", {}, moment(trace.start_time)));
}

async function traces() {
  const rows = h("tbody");
  const more = h("button", { type: "button", hidden: true }, "Older traces");
  const note = h("p", { class: "error", role: "alert" });
  const empty = h("div");
  let filter = new URLSearchParams(location.search).get("filter") ?? "";
  let cursor = null;

  async function load(fresh) {
    note.textContent = "";
    const query = new URLSearchParams({ limit: "50" });
    if (filter) query.set("filter", filter);
    if (!fresh && cursor) query.set("cursor", cursor);
    try {
      const page = await get(`/api/v1/traces?${query}`);
      const made = page.data.map(traceRow);
      fresh ? rows.replaceChildren(...made) : rows.append(...made);
      cursor = page.next_cursor;
      more.hidden = !page.has_more;
      if (fresh) empty.replaceChildren(...(made.length ? [] : filter ? [h("p", {}, "No trace matches.")] :
        [h("p", {}, "No traces yet. Create a key under ", h("a", { href: "/keys" }, "Keys"), ", then:"), ...snippets()]));
    } catch (failure) {
      if (failure.status === 401) throw failure;
      note.textContent = failure.message;
    }
  }

  more.addEventListener("click", () => load(false));
  show("Traces",
    h("form", {
      class: "row", role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        filter = new FormData(event.target).get("filter").trim();
        history.replaceState(null, "", filter ? `/?filter=${encodeURIComponent(filter)}` : "/");
        load(true);
      },
    }, h("input", {
      type: "search", name: "filter", value: filter, "aria-label": "Filter or search",
      placeholder: 'words, or: status = error and cost > 0.1',
    }), h("button", {}, "Find")),
    note,
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ...["Trace", "Status", "Model"].map((t) => h("th", { scope: "col" }, t)),
        ...["Duration", "Tokens", "Cost"].map((t) => h("th", { scope: "col", class: "num" }, t)),
        h("th", { scope: "col" }, "Started"))), rows)),
    empty, more);
  await load(true);
  watch(null, () => { if (!cursor || rows.childElementCount <= 50) load(true); });
}

/** Calls back, at most once a second, when something was recorded. */
function watch(traceId, changed) {
  let waiting = null;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const where = place() ? `?workspace=${encodeURIComponent(place())}` : "";
  const socket = new WebSocket(`${scheme}://${location.host}/ws${where}`);
  socket.addEventListener("open", () => {
    if (traceId) socket.send(JSON.stringify({ type: "subscribe", trace_id: traceId }));
  });
  socket.addEventListener("message", (event) => {
    const { type } = JSON.parse(event.data);
    if (!/^(trace|span)\.|lagged$/.test(type) || waiting) return;
    waiting = setTimeout(() => { waiting = null; changed(); }, 1000);
  });
  socket.addEventListener("close", () => setTimeout(() => watch(traceId, changed), 3000));
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function block(label, value) {
  const empty = value == null || (Array.isArray(value) && !value.length) ||
    (typeof value === "object" && !Array.isArray(value) && !Object.keys(value).length);
  return empty ? null : [h("div", { class: "soft" }, label), h("pre", {}, text(value))];
}

function spanNode(span, children, seen) {
  seen.add(span.span_id);
  const below = (children.get(span.span_id) ?? []).filter((child) => !seen.has(child.span_id));
  const item = h("li", {}, h("details", { open: false },
    h("summary", {}, badge(span.span_type), h("span", { class: "name" }, span.name || span.span_id),
      badge(span.status, STATUS[span.status]), h("span", { class: "soft" }, span.model ?? ""),
      h("span", {}, duration(span.duration_ms)), h("span", { class: "soft" }, tokens(span)), cost(span),
      span.verdict === "pass" ? null : badge(span.verdict, VERDICT[span.verdict])),
    h("div", { class: "body" },
      span.status_message ? h("p", { class: "error" }, span.status_message) : null,
      block("Input", span.input), block("Output", span.output), block("Tool calls", span.tool_calls),
      block("Findings", span.findings?.map?.((f) => `${f.severity} ${f.entity} in ${f.part}${f.pointer}`).join("\n") || null),
      block("Attributes", span.attributes))));
  if (below.length) item.append(h("ul", {}, below.map((child) => spanNode(child, children, seen))));
  return item;
}

function tree(spans) {
  const known = new Set(spans.map((span) => span.span_id));
  const children = new Map();
  const roots = [];
  for (const span of spans) {
    const parent = span.parent_span_id;
    if (!parent || parent === span.span_id || !known.has(parent)) roots.push(span);
    else children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const seen = new Set();
  const nodes = roots.map((root) => spanNode(root, children, seen));
  // Parents that go round in a circle have no root.
  for (const span of spans) if (!seen.has(span.span_id)) nodes.push(spanNode(span, children, seen));
  return h("ul", { class: "tree" }, nodes);
}

const fact = (name, value) => value == null || value === "" ? null : h("div", {}, h("dt", {}, name), h("dd", {}, value));

async function trace(id) {
  const path = `/api/v1/traces/${encodeURIComponent(id)}`;
  const seal = h("p", { class: "soft" }, "Verifying …");
  async function draw() {
    const { data } = await get(path);
    const open = new Set([...main.querySelectorAll("details[open]")].map((d) => d.querySelector(".name").textContent));
    show(data.name || data.trace_id,
      h("dl", { class: "facts" },
        fact("Status", badge(data.status === "ok" ? "complete" : data.status, STATUS[data.status])),
        fact("Verdict", badge(data.verdict, VERDICT[data.verdict])),
        fact("Trace ID", h("code", {}, data.trace_id)),
        fact("Started", moment(data.start_time)), fact("Latency", duration(data.duration_ms)),
        fact("Model", [...data.models].join(", ")), fact("Tokens", tokens(data)), fact("Cost", cost(data)),
        fact("Agent", data.agent_name), fact("Session", data.session_id), fact("User", data.user_id),
        fact("Environment", data.environment), fact("Spans", String(data.span_count))),
      seal, h("h2", {}, "Spans"),
      data.spans_truncated ? h("p", {}, `The first ${data.spans.length} of ${data.span_count} spans.`) : null,
      tree(data.spans));
    for (const d of main.querySelectorAll("details")) d.open = open.has(d.querySelector(".name").textContent);
  }
  async function verify() {
    const { data } = await get(`${path}/verification`);
    const tone = data.verdict === "valid" ? "good" : data.verdict === "pending" ? "info" : "bad";
    seal.replaceChildren(badge(data.verdict, tone), " ",
      data.fingerprint ? h("code", { title: "SHA-256 fingerprint" }, data.fingerprint) : "", " ",
      h("a", { href: `${path}/verification${place() ? `?workspace=${encodeURIComponent(place())}` : ""}` }, "proof"),
      ...data.faults.map((fault) => h("div", { class: "error" }, `${fault.verdict}: ${fault.what}`)));
  }
  try {
    await draw();
    await verify();
    watch(id, () => draw().then(verify).catch((failure) => say(failure.message)));
  } catch (failure) {
    if (failure.status === 401) throw failure;
    show("Trace", h("p", { class: "error" }, failure.message));
  }
}

// Keys ---------------------------------------------------------------------------------------

async function keys() {
  const rows = h("tbody");
  const once = h("div", { role: "status" });
  const error = h("p", { class: "error", role: "alert" });
  async function load() {
    const { data } = await get("/api/v1/keys");
    rows.replaceChildren(...data.map((key) => h("tr", {},
      h("td", {}, key.name), h("td", {}, h("code", {}, `${key.prefix}…`)), h("td", {}, key.scopes.join(", ")),
      h("td", {}, badge(key.status, key.status === "active" ? "good" : "plain")),
      h("td", {}, key.last_used_at ? moment(key.last_used_at) : "never"),
      h("td", {}, key.status === "active" ? h("button", {
        type: "button", "aria-label": `Revoke ${key.name}`,
        onclick: async () => {
          if (!confirm(`Revoke “${key.name}”? Clients that use it will be refused at once.`)) return;
          await call("DELETE", `/api/v1/keys/${encodeURIComponent(key.id)}`);
          say("Revoked.");
          await load();
        },
      }, "Revoke") : ""))));
  }
  const scope = (name, checked) => h("label", { class: "inline" },
    h("input", { type: "checkbox", name: "scope", value: name, checked }), name);
  show("API keys",
    h("form", {
      class: "row",
      onsubmit: async (event) => {
        event.preventDefault();
        error.textContent = "";
        const data = new FormData(event.target);
        try {
          const made = await call("POST", "/api/v1/keys", { name: data.get("name"), scopes: data.getAll("scope") });
          once.replaceChildren(h("div", { class: "once" },
            h("strong", {}, "Copy your key now; it is not shown again."), snippet(made.key), ...snippets(made.key)));
          event.target.reset();
          await load();
        } catch (failure) {
          error.textContent = failure.message;
        }
      },
    }, h("label", {}, "Name", h("input", { name: "name", required: true, maxlength: 100, placeholder: "My Agent" })),
      h("fieldset", {}, h("legend", {}, "Scopes"), scope("ingest", true), scope("read", false),
        scope("review", false), scope("export", false), scope("admin", false)),
      h("button", { class: "main" }, "Create key")),
    error, once,
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {},
      ...["Name", "Starts with", "Scopes", "Status", "Last used", "Action"].map((t) => h("th", { scope: "col" }, t)))), rows)));
  await load();
}

// Start --------------------------------------------------------------------------------------

async function drawNav() {
  let me = await get("/api/v1/auth/me").catch(() => null);
  if (!me && place()) {
    // The chosen workspace may be gone.
    go(null);
    me = await get("/api/v1/auth/me").catch(() => null);
  }
  nav.replaceChildren(...(me ? [
    h("a", { href: "/" }, "Traces"), h("a", { href: "/keys" }, "Keys"), h("a", { href: "/docs/" }, "API"),
    h("span", { class: "push" }, me.display_name || me.email || ""),
    me.workspaces.length > 1 ? h("select", {
      "aria-label": "Workspace",
      onchange: (event) => { go(event.target.value); location.assign("/"); },
    }, me.workspaces.map((w) => h("option", { value: w.id, selected: w.id === me.workspace }, w.name))) : "",
    h("button", {
      type: "button",
      onclick: async () => { await call("POST", "/api/v1/auth/logout"); go(null); location.assign("/login"); },
    }, "Log out"),
  ] : [h("a", { href: "/login" }, "Log in"), h("a", { href: "/docs/" }, "API")]));
}

async function start() {
  const path = location.pathname.replace(/\/+$/, "") || "/";
  const pages = { "/": traces, "/traces": traces, "/keys": keys, "/profile": keys, "/login": login, "/register": register, "/setup": setup };
  const found = path.match(/^\/traces\/([^/]+)$/);
  await drawNav();
  const page = found ? () => trace(decodeURIComponent(found[1])) : pages[path];
  if (!page) {
    show("Not found", h("p", {}, "There is no such page. ", h("a", { href: "/" }, "Traces")));
    return;
  }
  try {
    await page();
  } catch (failure) {
    if (failure.status === 401) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    } else {
      show("Something failed", h("p", { class: "error" }, failure.message));
    }
  }
}

start();
