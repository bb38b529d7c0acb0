/** The way to the API: same origin, cookie session, problem documents as errors. */
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

/** The workspace this browser acts in; the personal one unless chosen. */
export const workspace = {
  get: () => localStorage.getItem(PLACE),
  set: (id: string | null) => (id ? localStorage.setItem(PLACE, id) : localStorage.removeItem(PLACE)),
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
  throw await problem(response);
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
