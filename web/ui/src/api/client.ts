import createClient from "openapi-fetch";
import { root, server } from "@/place";
import { Problem, problemOf, unreachable } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

const prefix = "/api/v1";

let language = "en";
/** Says in which language the server's texts shall be. */
export function speak(locale: string): void {
  language = locale;
}

let whenSignedOut = (): void => {};
/** Calls the function when the session has ended and cannot be renewed. */
export function onSignedOut(then: () => void): void {
  whenSignedOut = then;
}

let whenHeld = (): void => {};
/** Calls the function when the server refuses everything until two-factor sign-in is set up. */
export function onMustSetUp(then: () => void): void {
  whenHeld = then;
}

// One renewal serves all requests that met a 401 at the same time. Other tabs may renew as
// well: the lock of the browser lets one after the other, and the server takes the renewal
// before last for a short while.
let renewing: Promise<boolean> | undefined;
async function renew(): Promise<boolean> {
  const response = await fetch(`${server}${prefix}/login/refresh`, { method: "POST", cache: "no-store" });
  if (response.ok) return true;
  if (response.status === 401 || response.status === 403) return false;
  throw await problemOf(response);
}
export function renewed(): Promise<boolean> {
  renewing ??= renew().finally(() => {
    renewing = undefined;
  });
  return renewing;
}

// What a 401 says about the password that was sent, and not about the session.
const open = ["/login/", "/setup", "/meta", "/courses/join"];

/** fetch with the session renewed where it has run out. */
async function send(request: Request): Promise<Response> {
  request.headers.set("Accept-Language", language);
  const again = request.clone();
  try {
    const response = await fetch(request);
    const path = new URL(request.url).pathname.slice(root.length + prefix.length);
    if (response.status !== 401 || open.some((p) => path.startsWith(p))) return response;
    if (await renewed()) return await fetch(again);
    whenSignedOut();
    return response;
  } catch (cause) {
    if (cause instanceof Problem || (cause instanceof DOMException && cause.name === "AbortError")) throw cause;
    throw new Problem(0, unreachable, unreachable);
  }
}

const client = createClient<paths>({
  baseUrl: server,
  fetch: send,
  cache: "no-store",
  // A list is one value with commas, as the description of the API says.
  querySerializer: { array: { style: "form", explode: false } },
});
export const { GET, POST, PUT, PATCH, DELETE } = client;

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * Waits for an answer and returns what it has; anything but a success is thrown as a
 * Problem. Use it as `const courses = await ok(GET("/api/v1/courses/"))`.
 */
export async function ok<T>(answer: Promise<Answer<T>>): Promise<Exclude<T, undefined>> {
  const { data, error, response } = await answer;
  if (!response.ok) {
    // The body was read already.
    const text = error === undefined || typeof error === "string" ? (error ?? "") : JSON.stringify(error);
    const problem = await problemOf(new Response(text, { status: response.status, headers: response.headers }));
    if (problem.code === "two_factor_required") whenHeld();
    throw problem;
  }
  return data as Exclude<T, undefined>;
}

/** Sends a form, which the sign-in takes. */
export async function form(path: string, fields: Record<string, string>): Promise<void> {
  const response = await send(new Request(`${server}${prefix}${path}`, { method: "POST", body: new URLSearchParams(fields), cache: "no-store" }));
  if (!response.ok) throw await problemOf(response);
}
