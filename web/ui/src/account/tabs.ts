import { base, root } from "@/place";
import { ownPath } from "./gate";

/* All tabs of a browser share one session. What a tab shows is one person's (rooms, drafts,
 * names), so a tab hears who signs in or out in another one. */

/** What a tab does when another tab has somebody, by their ids; "" is nobody. */
export function heard(mine: string, theirs: string): "nothing" | "sign-out" | "look" | "begin-anew" {
  if (mine === theirs) return "nothing";
  if (theirs === "") return "sign-out";
  return mine === "" ? "look" : "begin-anew";
}

const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(`coagent.person${root}`);

/** Tells the other tabs whom this one has. */
export function tellTabs(person: string): void {
  channel?.postMessage(person);
}

export function hearTabs(hear: (person: string) => void): void {
  channel?.addEventListener("message", ({ data }) => {
    if (typeof data === "string") hear(data);
  });
}

/** Where a page begins anew for another person: where the sign-in was to lead, else where it is. */
export function anew(at: URL, begin = base): string {
  const path = at.pathname.slice(begin.length);
  if (path === "/sign-in") return begin + (ownPath(at.searchParams.get("to")) ?? "/home");
  return begin + (/^\/(join|reset|setup)(\/|$)/.test(path) ? "/home" : path + at.search);
}
