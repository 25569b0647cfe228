import { ref, type Ref } from "vue";
import { DELETE, ok, POST, PUT, type Schemas } from "@/api/client";
import { toast } from "@/parts/toasts";
import type { Here } from "./here";
import type { Line } from "./line";
import type { Can } from "./room";
import type { Timeline } from "./timeline";

interface With {
  id: string;
  timelines: () => Timeline[]; // all that show messages of the room
  can: Ref<Can | undefined>;
  unreadFrom: (seq: number) => Promise<void>;
  here: Here;
  words: (cause: unknown) => string;
  t: (key: string, values?: Record<string, unknown>) => string;
}

/** What a person does to what was said. It is shown at once, and taken back where the server refuses it. */
export function makeActions({ id, timelines, unreadFrom: countFrom, here, words, t }: With) {
  const replyTo = ref<Schemas["ReplyTo"]>();
  const room = { room_id: id };

  function guess(message: string, change: Partial<Line>): () => void {
    const back = timelines().map((tl) => tl.guess(message, change));
    return () => back.forEach((b) => b());
  }

  async function tell(what: Promise<unknown>, back?: () => void): Promise<boolean> {
    try {
      await what;
      return true;
    } catch (cause) {
      back?.();
      toast(words(cause), { kind: "failed" });
      return false;
    }
  }

  const at = (line: Line) => ({ params: { path: { ...room, message_id: line.id! } } });

  function edit(line: Line, text: string): Promise<boolean> {
    return tell(ok(PUT("/api/v1/rooms/{room_id}/messages/{message_id}", { ...at(line), body: { text } })), guess(line.id!, { text, edited: Date.now() }));
  }

  async function remove(line: Line): Promise<void> {
    const back = guess(line.id!, { state: "deleted" });
    if (!(await tell(ok(DELETE("/api/v1/rooms/{room_id}/messages/{message_id}", at(line))), back))) return;
    toast(t("room.deletedIt"), { undo: () => restore(line) });
  }

  async function restore(line: Line): Promise<void> {
    await tell(ok(POST("/api/v1/rooms/{room_id}/messages/{message_id}/restore", at(line))));
  }

  async function hide(line: Line): Promise<void> {
    const back = guess(line.id!, { state: "hidden" });
    if (!(await tell(ok(POST("/api/v1/rooms/{room_id}/messages/{message_id}/hide", at(line))), back))) return;
    toast(t("room.hidIt"), { undo: () => unhide(line) });
  }

  async function unhide(line: Line): Promise<void> {
    await tell(ok(POST("/api/v1/rooms/{room_id}/messages/{message_id}/unhide", at(line))), guess(line.id!, { state: "shown" }));
  }

  async function react(line: Line, emoji: string): Promise<void> {
    const mine = line.reactions.find((r) => r.emoji === emoji)?.mine ?? false;
    const known = line.reactions.some((r) => r.emoji === emoji);
    const changed = (known ? line.reactions : [...line.reactions, { emoji, count: 0, mine: false }])
      .map((r) => (r.emoji === emoji ? { emoji, count: r.count + (mine ? -1 : 1), mine: !mine } : r))
      .filter((r) => r.count > 0);
    const back = guess(line.id!, { reactions: changed });
    const path = at(line).params.path;
    const call = mine
      ? DELETE("/api/v1/rooms/{room_id}/messages/{message_id}/reactions", { params: { path, query: { emoji } } })
      : PUT("/api/v1/rooms/{room_id}/messages/{message_id}/reactions", { params: { path }, body: { emoji } });
    await tell(ok(call), back);
  }

  const isPinned = (line: Line): boolean => here.pins.value.some((p) => p.message_id === line.id);

  async function pin(line: Line): Promise<void> {
    const was = isPinned(line);
    const path = "/api/v1/rooms/{room_id}/messages/{message_id}/pin";
    if (await tell(was ? ok(DELETE(path, at(line))) : ok(PUT(path, at(line)))) ) await here.loadPins();
  }

  function reply(line: Line): void {
    // A reply to a reply hangs under the same root.
    replyTo.value = line.replyTo ?? { id: line.id!, seq: line.seq, sender: line.name, excerpt: line.text.replace(/\s+/g, " ").slice(0, 140) };
  }

  async function unreadFrom(line: Line): Promise<void> {
    if (await tell(countFrom(line.seq))) toast(t("room.unreadSet"));
  }

  const stop = (turn: string): Promise<boolean> => tell(ok(POST("/api/v1/rooms/{room_id}/turns/{turn_id}/stop", { params: { path: { ...room, turn_id: turn } } })));
  const goOn = (): Promise<boolean> => tell(ok(POST("/api/v1/rooms/{room_id}/go-on", { params: { path: room } })));
  const wake = (agent: string): Promise<boolean> => tell(ok(POST("/api/v1/rooms/{room_id}/agents/{agent_id}/wake", { params: { path: { ...room, agent_id: agent } } })));
  const decide = (step: string, decision: "approve" | "reject", note?: string): Promise<boolean> =>
    tell(ok(POST("/api/v1/rooms/{room_id}/approvals/{step_id}", { params: { path: { ...room, step_id: step } }, body: { decision, ...(note ? { note } : {}) } })));

  return { replyTo, edit, remove, restore, hide, unhide, react, isPinned, pin, reply, unreadFrom, stop, goOn, wake, decide };
}
