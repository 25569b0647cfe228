import type { RouteLocationNormalized } from "vue-router";

/** Who is signed out signs in first, and then gets to where the address leads. */
export function gate(to: RouteLocationNormalized, signedIn: boolean): true | { name: string; query?: Record<string, string> } {
  const who = to.meta.who ?? "in";
  if (who === "in" && !signedIn) return { name: "sign-in", query: to.fullPath === "/home" ? {} : { to: to.fullPath } };
  if (who === "out" && signedIn) return { name: "home" };
  return true;
}
