const han = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}/u;

/** Two letters that stand for a name: the last two of a Chinese, Japanese or Korean one. */
export function initials(name: string): string {
  const letters = Array.from(name.trim().replace(/\s+/g, " "));
  if (letters.length > 0 && letters.some((l) => han.test(l))) return letters.filter((l) => han.test(l)).slice(-2).join("");
  const words = name.trim().split(/[\s._@-]+/).filter((w) => /[\p{L}\p{N}]/u.test(w));
  const first = (word: string | undefined): string => Array.from(word?.replace(/^[^\p{L}\p{N}]+/u, "") ?? "")[0] ?? "";
  const last = words.length > 1 ? words.at(-1) : undefined;
  return (first(words[0]) + first(last)).toUpperCase() || "?";
}

/** A hue between 0 and 359 that an id always has. */
export function hueOf(id: string): number {
  let hash = 2166136261;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 16777619);
  return (hash >>> 0) % 360;
}
