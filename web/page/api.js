// The HTTP side: one function per call of the contract. A 401 is answered with
// one refresh and one replay; if that fails the session is over.

const prefix = "/api/v1";

// Problem is an answer that is not a success. status 0 means that no answer came.
export class Problem extends Error {
  constructor(status, detail, { code, requestId, retryAfter } = {}) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

let sessionEnded = () => {};
export function onSessionEnd(handler) {
  sessionEnded = handler;
}

// One refresh serves every call that met a 401 at the same time: the refresh
// token rotates, so parallel refreshes would only race each other.
let refreshing = null;
function refresh() {
  refreshing ??= send("POST", "/login/refresh")
    .then((response) => {
      if (response.ok) return true;
      if (response.status >= 500 || response.status === 429) throw new Problem(response.status, "The server is busy. Please try again.");
      return false;
    })
    .finally(() => {
      refreshing = null;
    });
  return refreshing;
}

async function send(method, path, init = {}) {
  try {
    return await fetch(prefix + path, { method, cache: "no-store", ...init });
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new Problem(0, "The server cannot be reached. Check your connection and try again.");
  }
}

async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // A proxy in between answers in HTML; the status alone has to do.
  }
  const detail = typeof body.detail === "string" && body.detail !== "" ? body.detail : `The server answered ${response.status}.`;
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new Problem(response.status, detail, {
    code: body.code,
    requestId: body.request_id ?? response.headers.get("X-Request-Id") ?? undefined,
    retryAfter: Number.isFinite(seconds) ? seconds : undefined,
  });
}

async function call(method, path, { replay = true, ...init } = {}) {
  let response = await send(method, path, init);
  if (response.status === 401 && replay) {
    if (await refresh()) response = await send(method, path, init);
    if (response.status === 401) {
      sessionEnded();
      throw new Problem(401, "Your session has ended. Please sign in again.");
    }
  }
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

const json = (value) => ({ body: JSON.stringify(value), headers: { "Content-Type": "application/json" } });

// me is null when nobody is signed in; a session that is over counts as that too.
export async function me() {
  let response = await send("POST", "/login/test-token");
  if (response.status === 401) {
    if (!(await refresh())) return null;
    response = await send("POST", "/login/test-token");
    if (response.status === 401) return null;
  }
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

export const signIn = (username, password) =>
  call("POST", "/login/access-token", { replay: false, body: new URLSearchParams({ username, password }) });

export const signOut = () => call("POST", "/login/logout", { replay: false });

export const setUp = (token, email, fullName, password) =>
  call("POST", "/setup", { replay: false, ...json({ token, email, full_name: fullName, password }) });

export const resetPassword = (token, password) =>
  call("POST", "/login/password-link", { replay: false, ...json({ token, password }) });

export const courses = () => call("GET", "/courses/");
export const roomsOf = (courseId) => call("GET", `/rooms/?course_id=${encodeURIComponent(courseId)}`);
export const room = (id) => call("GET", `/rooms/${encodeURIComponent(id)}`);
export const agentsOf = (id) => call("GET", `/rooms/${encodeURIComponent(id)}/agents`);

export const membersOf = (courseId) => call("GET", `/courses/${encodeURIComponent(courseId)}/members`);

const lineOf = (roomId, id) => `/rooms/${encodeURIComponent(roomId)}/messages/${encodeURIComponent(id)}`;
export const editLine = (roomId, id, text) => call("PUT", lineOf(roomId, id), json({ text }));
export const deleteLine = (roomId, id) => call("DELETE", lineOf(roomId, id));
// changeLine: restore, hide or unhide
export const changeLine = (roomId, id, what) => call("POST", `${lineOf(roomId, id)}/${what}`);

const within = (roomId, rest) => `/rooms/${encodeURIComponent(roomId)}/${rest}`;
export const approvals = (roomId) => call("GET", within(roomId, "approvals"));
// decide: approve or reject
export const decide = (roomId, id, decision) => call("POST", within(roomId, `approvals/${encodeURIComponent(id)}`), json({ decision }));
export const goOn = (roomId) => call("POST", within(roomId, "go-on"));
export const stopTurn = (roomId, id) => call("POST", within(roomId, `turns/${encodeURIComponent(id)}/stop`));

export function history(id, { limit = 100, before } = {}) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (before !== undefined) query.set("before", String(before));
  return call("GET", `/chat/messages/${encodeURIComponent(id)}?${query}`);
}

export function socketAddress(id, after) {
  const address = new URL(`${prefix}/chat/ws/${encodeURIComponent(id)}`, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("after", String(after));
  address.hash = "";
  return address.href;
}
