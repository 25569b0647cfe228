import type { Schemas } from "@/api/client";

const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Extended_Pictographic}]/u;

/** Whether so much is typed that a search makes sense: two letters, one of scripts whose letters are words, or a filter with its value. */
export function isEnough(q: string): boolean {
  const words = q.trim();
  const filters = words.match(/(?:^|\s)-?(?:from|in|before|after|has):\S*/g) ?? [];
  if (filters.some((f) => /:"?$/.test(f))) return false;
  if (filters.length > 0) return true;
  return wide.test(words) || words.replace(/[^\p{L}\p{N}]/gu, "").length >= 2;
}

export interface Piece {
  text: string;
  isMarked: boolean;
}

/** Cuts an excerpt at its marks. */
export function piecesOf(text: string, marks: readonly Schemas["MarkOut"][]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const { from, to } of [...marks].sort((a, b) => a.from - b.from)) {
    if (from < at || to <= from) continue;
    if (from > at) pieces.push({ text: text.slice(at, from), isMarked: false });
    pieces.push({ text: text.slice(from, to), isMarked: true });
    at = to;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), isMarked: false });
  return pieces;
}

/** Puts a filter into what is typed, once; the caret goes behind it where a value is still to come. */
export function withFilter(q: string, filter: string): string {
  const words = q.trim();
  return words.split(/\s+/).includes(filter) ? words : [words, filter].filter(Boolean).join(" ");
}
