/* What the browser keeps for a person: unsent messages and drafts. Storage may be refused
 * (private windows, a full quota); then it lives as long as the page. */

import { root } from "@/place";

// Two installations on one host have one storage.
const mine = `coagent${root && `@${root}`}.`;
const memory = new Map<string, string>();

export function keep(key: string, text: string): void {
  if (text === "") memory.delete(key);
  else memory.set(key, text);
  try {
    if (text === "") localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // The memory has it.
  }
}

export function kept(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return memory.get(key) ?? "";
  }
}

export const outboxKey = (user: string, room: string): string => `${mine}outbox.${user}.${room}`;
export const draftKey = (user: string, room: string): string => `${mine}draft.${user}.${room}`;

function keys(): string[] {
  try {
    return [...new Set([...memory.keys(), ...Object.keys(localStorage)])];
  } catch {
    return [...memory.keys()]; // storage is refused
  }
}

/** How many messages of a person wait in this browser for the server, in all rooms. */
export function unsentOf(user: string): number {
  return keys()
    .filter((key) => key.startsWith(outboxKey(user, "")))
    .reduce((sum, key) => {
      try {
        const found: unknown = JSON.parse(kept(key));
        return sum + (Array.isArray(found) ? found.length : 0);
      } catch {
        return sum;
      }
    }, 0);
}

/** Drops what other people than this one left in this browser. */
export function forgetOthers(user: string): void {
  for (const key of keys()) {
    const [kind, person] = key.startsWith(mine) ? key.slice(mine.length).split(".") : [];
    if ((kind === "outbox" || kind === "draft") && person !== user) keep(key, "");
  }
}
