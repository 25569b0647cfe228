import { dayOf } from "@/parts/zone";
import type { Line } from "./line";
import { ofTurns } from "./list";

const togetherFor = 5 * 60_000;

/** What is shown, from the top to the end. */
export type Row = { key: string; type: "day"; at: number } | { key: string; type: "unread" } | { key: string; type: "replies"; n: number } | { key: string; type: "line"; line: Line; joined: boolean };

/**
 * The rows of the page; unreadAfter puts the unread line before the first message of others
 * behind it. Where that one is above all that is shown, moreBefore, there is no unread line yet.
 */
export function rowsOf(lines: readonly Line[], unreadAfter: number | undefined, moreBefore: boolean): Row[] {
  const rows: Row[] = [];
  const days = new Set<string>();
  let previous: Line | undefined;
  const first = lines.find((l) => l.id !== undefined);
  let marked = unreadAfter === undefined || (moreBefore && first !== undefined && first.seq > unreadAfter + 1);
  for (const line of lines) {
    const day = dayOf(line.at);
    const sameDay = previous !== undefined && dayOf(previous.at) === day;
    if (!sameDay) rows.push({ key: days.has(day) ? `day:${line.key}` : `day:${day}`, type: "day", at: line.at });
    days.add(day);
    let isFirst = false;
    if (!marked && line.seq > unreadAfter! && line.seq < ofTurns && line.kind !== "notice" && !line.own) {
      rows.push({ key: "unread", type: "unread" });
      marked = isFirst = true;
    }
    const joined =
      sameDay && !isFirst && line.kind !== "notice" && previous!.kind === line.kind && previous!.senderId === line.senderId && !line.replyTo && line.at - previous!.at < togetherFor;
    rows.push({ key: line.key, type: "line", line, joined });
    previous = line;
  }
  return rows;
}
