/** Something that the palette finds. */
export interface Item {
  id: string;
  kind: "room" | "course" | "person" | "agent" | "command";
  text: string;
  more?: string; // such as the course of a room
}

function plain(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * Says how well a text fits what was typed: 0 for not at all. All letters must be there in
 * their order; a whole part, the beginning and beginnings of words count more.
 */
export function fit(query: string, text: string): number {
  const q = plain(query).replace(/\s+/g, "");
  const t = plain(text);
  if (q === "") return 1;
  const tight = t.replace(/\s+/g, "");
  if (tight === q) return 1000;
  if (tight.startsWith(q)) return 800 - Math.min(tight.length, 200);
  const whole = tight.indexOf(q);
  if (whole >= 0) return 600 - Math.min(whole, 100) - Math.min(tight.length, 200) / 2;
  let score = 100;
  let at = -1;
  for (const letter of q) {
    const next = t.indexOf(letter, at + 1);
    if (next < 0) return 0;
    if (next === 0 || /[^\p{L}\p{N}]/u.test(t[next - 1] ?? "")) score += 12;
    else score -= Math.min(next - at - 1, 10);
    at = next;
  }
  return Math.max(score, 1);
}

/** The best of the items for what was typed; what was opened lately comes first among equals. */
export function best<T extends Item>(query: string, items: readonly T[], recent: readonly string[], many = 30): T[] {
  const q = query.trim();
  return items
    .map((item) => {
      const own = fit(q, item.text);
      const score = Math.max(own, item.more ? fit(q, `${item.more} ${item.text}`) * 0.6 : 0);
      const lately = recent.indexOf(item.id);
      return { item, score: score === 0 ? 0 : score + (lately < 0 ? 0 : 40 - lately * 4) };
    })
    .filter((f) => f.score > 0)
    .sort((a, b) => b.score - a.score)
    // Beside what has the letters together, scattered ones are noise.
    .filter((f, _, all) => q === "" || f.score > (all[0]?.score ?? 0) / 6)
    .slice(0, many)
    .map((f) => f.item);
}
