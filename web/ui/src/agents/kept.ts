import { draftKey, keep, kept } from "@/room/kept";
import type { Draft } from "./draft";

/* What was changed of an agent and not saved, so that a reload or a closed tab loses nothing. */

export interface KeptDraft {
  draft: Draft;
  at: string; // when it was written
  of: string | null; // when the agent was last changed before it
}

const key = (user: string, agent: string): string => draftKey(user, `agent.${agent}`);

export function keepDraft(user: string, agent: string, what: KeptDraft): void {
  keep(key(user, agent), JSON.stringify(what));
}
export function forgetDraft(user: string, agent: string): void {
  keep(key(user, agent), "");
}

/** What was kept; members that came with a newer version of the studio are those of the agent. */
export function keptDraft(user: string, agent: string, now: Draft): KeptDraft | undefined {
  try {
    const found = JSON.parse(kept(key(user, agent)) || "null") as Partial<KeptDraft> | null;
    if (!found?.draft || typeof found.at !== "string") return undefined;
    return { draft: { ...now, ...found.draft }, at: found.at, of: found.of ?? null };
  } catch {
    return undefined;
  }
}
