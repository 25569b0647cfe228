import type { Schemas } from "@/api/client";

export type Finding = Schemas["FindingOut"];
export type Groups = Record<Finding["state"], Finding[]>;

/** The findings of each state, in the order in which they were told. */
export function grouped(findings: readonly Finding[]): Groups {
  const groups: Groups = { fault: [], warning: [], ok: [], skipped: [] };
  for (const f of findings) groups[f.state].push(f);
  return groups;
}

/** A text in pieces: what stands between backticks is to be typed as it is. */
export function pieces(text: string): { text: string; code: boolean }[] {
  const parts = text.split("`");
  // A backtick without its second one is a letter like others.
  if (parts.length % 2 === 0) parts.push(`${parts.splice(-2, 1)[0] ?? ""}\`${parts.pop() ?? ""}`);
  return parts.map((part, i) => ({ text: part, code: i % 2 === 1 })).filter((p) => p.text !== "");
}
