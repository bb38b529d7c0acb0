/** The way to the API: same origin, cookie session, problem documents as errors. */
import { session } from "./session";
import type { Problem } from "./types";

/** An answer that is not a success. `message` says what to do. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

const PLACE = "exhibit.workspace";

/**
 * The workspace this tab acts in; the personal one unless chosen. A new tab begins in the one chosen last, and stays
 * there whatever is chosen in another: nothing is done in a workspace that the page does not show.
 */
export const workspace = {
  get: (): string | null => {
    const here = sessionStorage.getItem(PLACE);
    if (here !== null) return here || null;
    const last = localStorage.getItem(PLACE);
    sessionStorage.setItem(PLACE, last ?? "");
    return last;
  },
  set: (id: string | null) => {
    sessionStorage.setItem(PLACE, id ?? "");
    if (id) localStorage.setItem(PLACE, id);
    else localStorage.removeItem(PLACE);
  },
};

export type Params = Record<string, string | number | undefined | null>;

/** A path with its parameters; absent and empty ones are left out. */
export function withParams(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function problem(response: Response): Promise<ApiError> {
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const body: Partial<Problem> = isJson ? await response.json().catch(() => ({})) : {};
  const detail = body.detail ?? `The server answered ${response.status}. Try again in a moment.`;
  return new ApiError(response.status, body.code ?? "unknown", detail);
}

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  const place = workspace.get();
  if (place) headers["x-exhibit-workspace"] = place;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The server does not answer. Check that it runs, then try again.");
  }
  if (response.ok) return response;
  if (response.status === 401 && !path.startsWith("/api/v1/auth/")) void askWhetherEnded();
  throw await problem(response);
}

/** A workspace may refuse while the session holds: only the server knows which it was. */
async function askWhetherEnded() {
  if (session.ended) return;
  const answer = await fetch("/api/v1/auth/me").catch(() => null);
  if (answer?.status === 401) session.set(true);
}

async function json<T>(response: Response): Promise<T> {
  // 202 and 204 have no body.
  const text = await response.text();
  return text === "" ? (undefined as T) : JSON.parse(text);
}

export const api = {
  get: async <T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> =>
    json<T>(await send("GET", withParams(path, params), undefined, signal)),
  text: async (path: string, signal?: AbortSignal) => (await send("GET", path, undefined, signal)).text(),
  blob: async (path: string, body: unknown, signal?: AbortSignal) => (await send("POST", path, body, signal)).blob(),
  post: async <T>(path: string, body?: unknown): Promise<T> => json<T>(await send("POST", path, body)),
  put: async <T>(path: string, body?: unknown): Promise<T> => json<T>(await send("PUT", path, body)),
  delete: async <T>(path: string): Promise<T> => json<T>(await send("DELETE", path)),
};
