import type { RouteLocationNormalized } from "vue-router";

/**
 * Who is signed out signs in first, and then gets to where the address leads; so does who has to
 * set up two-factor sign-in before all else.
 */
export function gate(to: RouteLocationNormalized, signedIn: boolean, mustSetUp = false): true | { name: string; query?: Record<string, string> } {
  const who = to.meta.who ?? "in";
  if (who === "in" && !signedIn) return { name: "sign-in", query: to.fullPath === "/home" ? {} : { to: to.fullPath } };
  if (who === "in" && mustSetUp && to.name !== "must-set-up") return { name: "must-set-up", query: to.fullPath === "/home" ? {} : { to: to.fullPath } };
  if (to.name === "must-set-up" && !mustSetUp) return { name: "security" };
  if (who === "out" && signedIn) return { name: "home" };
  return true;
}

/** A path of our own that a query leads to; anything else is nowhere. */
export function ownPath(to: unknown): string | undefined {
  return typeof to === "string" && /^\/(?![/\\])/.test(to) ? to : undefined;
}
