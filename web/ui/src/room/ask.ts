import { shallowRef, type Ref, type ShallowRef } from "vue";
import type { Schemas } from "@/api/client";
import { answeredBy, questionOf } from "./asking";
import type { Here } from "./here";
import type { Line } from "./line";
import type { Waiting } from "./outbox";
import type { Can } from "./room";
import type { Timeline } from "./timeline";

type Named = { id: string; name: string };

interface With {
  timeline: Timeline;
  here: Here;
  can: Ref<Can | undefined>;
  archived: Ref<boolean>;
  info: ShallowRef<Schemas["RoomOut"] | undefined>;
  send: (text: string, more: Pick<Waiting, "mentions" | "reply">) => void;
  t: (key: string, values?: Record<string, unknown>) => string;
}

/**
 * Asks agents about what was said, by a message under it that calls them: all of the room see who
 * has asked whom, and it is sent, called and stopped as any other message.
 */
export function makeAsk({ timeline, here, can, archived, info, send, t }: With) {
  const asking = shallowRef<Line>(); // the answer about whose question another agent is to be asked

  const mayAsk = (): boolean => can.value?.post === true && !archived.value && info.value?.ai_mode !== "off";
  const inRoom = (id: string) => here.agents.value.find((a) => a.id === id && a.is_active);

  /** The agents that can be asked in place of the one that has answered. */
  const others = (answer: Line) => (mayAsk() ? here.agents.value.filter((a) => a.is_active && a.id !== answer.senderId) : []);

  /** Whether the one that has answered can be asked once more. */
  const mayAskAgain = (answer: Line): boolean => mayAsk() && inRoom(answer.senderId) !== undefined;

  /** Who has answered one's own message, and is there still. */
  const answered = (own: Line): Named[] => (own.own && own.id !== undefined && mayAsk() ? answeredBy(own, timeline.lines).filter((a) => inRoom(a.id)) : []);

  function call(agents: readonly Named[], about: Line | undefined, words: string): void {
    const names = agents.map((a) => `@${a.name}`).join(" ");
    // A reply to a reply hangs under the same root.
    const reply = about && (about.replyTo ?? { id: about.id!, seq: about.seq, sender: about.name, excerpt: about.text.replace(/\s+/g, " ").slice(0, 140) });
    send(t(words, { names }), { mentions: agents.map((a) => ({ kind: "agent", id: a.id })), ...(reply ? { reply } : {}) });
  }

  const about = (answer: Line): Line | undefined => questionOf(answer, timeline.lines) ?? (answer.id === undefined ? undefined : answer);
  const askAnother = (agent: Named, answer: Line): void => call([agent], about(answer), "room.askAnotherWords");
  const askAgain = (answer: Line): void => call([{ id: answer.senderId, name: answer.name }], about(answer), "room.askAgainWords");
  const askEdited = (own: Line): void => call(answered(own), own, "room.askEditedWords");

  return { asking, others, mayAskAgain, answered, askAnother, askAgain, askEdited };
}
