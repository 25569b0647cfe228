/** What the caret stands behind: the sign that was typed, where, and the letters after it. */
export interface Asked {
  sign: "@" | ":" | "#" | "/";
  from: number;
  word: string;
}

const before = "(?:^|[\\s(（「『，。、：])";
const patterns: [Asked["sign"], RegExp][] = [
  ["/", /^\/([\p{L}\p{N}]*(?: [^\n]{0,40})?)$/u],
  ["@", new RegExp(`${before.replace("]", ":]")}@([^\\s@]{0,40}(?: [^\\s@#:]{0,20})?)$`, "u")],
  ["#", new RegExp(`${before}#([^\\s#]{0,40})$`, "u")],
  // Two letters, or one of Chinese: a colon is in many sentences.
  [":", new RegExp(`${before}:([a-z_+-]{2,20}|\\p{Script=Han}{1,6})$`, "iu")],
];

/** Says what is to be completed before the caret, if anything. */
export function askedFor(text: string, caret: number): Asked | undefined {
  const part = text.slice(0, caret);
  for (const [sign, pattern] of patterns) {
    const found = pattern.exec(part);
    if (found) return { sign, from: part.length - found[1]!.length - 1, word: found[1]!.toLocaleLowerCase() };
  }
  return undefined;
}

/** Names of rooms that were chosen become links that open them; longer names first, as one may begin with another. */
export function withLinks(text: string, rooms: readonly { id: string; name: string }[]): string {
  let out = text;
  const known = new Map(rooms.map((r) => [r.name, r.id]));
  for (const name of [...known.keys()].sort((a, b) => b.length - a.length)) {
    const label = name.replace(/[\\[\]]/g, "\\$&");
    out = out.split(`#${name}`).join(`[\u0000${label}](/rooms/${known.get(name)!})`);
  }
  return out.replaceAll("\u0000", "#");
}
