/** A path as the installation sees it, without the one at which its host has it. */
export const within = (root: string, path: string): string => (root !== "" && (path + "/").startsWith(root + "/") ? path.slice(root.length) : path);

/** Where the installation is on its host, "" for all of it; the server writes it into the page. */
export const root = globalThis.document?.querySelector<HTMLMetaElement>('meta[name="coagent-root"]')?.content ?? "";

/** Where the studio is in the installation: at its root, or below /studio where a client of the operator has the root. */
export const below = within(root, globalThis.location?.pathname ?? "").match(/^\/studio(?=\/|$)/)?.[0] ?? "";
export const base = root + below;

/** Where the server's paths begin, such as /api/v1. */
export const server = (globalThis.location?.origin ?? "") + root;

/** What the server has at a path that it names, such as a picture. Other addresses stay. */
export const served = <T extends string | null | undefined>(url: T): T => (url?.startsWith("/") && !url.startsWith("//") ? ((root + url) as T) : url);

/** The address of a page, to hand on to others. */
export const addressOf = (path: string): string => location.origin + base + path;

/** The token in the address of a link: in the fragment, which no server sees, or in the query, as the set-up link has it. */
export const tokenIn = (query: unknown, hash: string): string =>
  (typeof query === "string" && query) || (new URLSearchParams(hash.slice(1)).get("token") ?? "");

/**
 * tokenIn for a page that is of no use without. The page takes the token out of its address,
 * so the tab keeps it until it was used: a reload loses nothing.
 */
export function keptToken(page: string, query: unknown, hash: string): string {
  const found = tokenIn(query, hash);
  if (found) sessionStorage.setItem(`token of ${page}`, found);
  return found || (sessionStorage.getItem(`token of ${page}`) ?? "");
}

export const dropToken = (page: string): void => sessionStorage.removeItem(`token of ${page}`);
