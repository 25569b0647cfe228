/** Where the studio is: at the root, or below /studio where a client of the operator has the root. */
export const base = globalThis.location?.pathname.match(/^\/studio(?=\/|$)/)?.[0] ?? "";

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
