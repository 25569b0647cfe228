import type { Line } from "./line";

/**
 * The message of a person that an answer is about: in a thread the last one before it there, else
 * the last one outside of threads; one that calls the agent wins over a later one that does not.
 */
export function questionOf(answer: Line, lines: readonly Line[]): Line | undefined {
  const at = lines.indexOf(answer);
  const root = rootOf(answer);
  let nearest: Line | undefined;
  for (let i = at - 1; i >= 0; i--) {
    const line = lines[i]!;
    if (root === undefined ? line.replyTo !== undefined : line.id !== root && line.replyTo?.id !== root) continue;
    // What the same agent said before was about something earlier.
    if (nearest && line.kind === "agent" && line.senderId === answer.senderId) break;
    if (line.kind !== "person" || line.id === undefined || line.state !== "shown") continue;
    if (calls(line, answer)) return line;
    nearest ??= line;
  }
  return nearest;
}

/** The agents that have answered a message, in the order of their answers. */
export function answeredBy(question: Line, lines: readonly Line[]): { id: string; name: string }[] {
  const found = new Map<string, string>();
  for (const line of lines.slice(lines.indexOf(question) + 1)) {
    if (line.kind !== "agent" || !line.senderId || line.state !== "shown" || found.has(line.senderId)) continue;
    if (questionOf(line, lines) === question) found.set(line.senderId, line.name);
  }
  return [...found].map(([id, name]) => ({ id, name }));
}

const rootOf = (line: Line): string | undefined => line.replyTo?.id ?? line.turn?.rootId;
const calls = (line: Line, agent: Line): boolean => line.mentions.some((m) => m.id === agent.senderId);
