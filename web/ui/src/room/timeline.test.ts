import { describe, expect, it } from "vitest";
import type { LineOut, RoomFrame } from "./line";
import { Timeline } from "./timeline";

const me = "me";
const day = (n: number, minute = 0): string => new Date(2026, 2, n, 9, minute).toISOString();

function row(seq: number, more: Partial<LineOut> = {}): LineOut {
  return {
    id: `id${seq}`, seq, content: `text ${seq}`, created_at: day(2, seq), sender: "Ada", sender_id: "ada", agent_id: null, agent_name: null, agent_type: null,
    edited_at: null, state: "shown", stopped: false, truncated: false, turn_id: null, ...more,
  };
}
const frame = (f: object): RoomFrame => f as RoomFrame;
const said = (seq: number, more: object = {}): RoomFrame =>
  frame({ type: "message", id: `id${seq}`, seq, timestamp: day(2, seq), room_id: "r", sender: "Ada", content: `text ${seq}`, metadata: { is_ai: false, sender_id: "ada" }, ...more });
const turn = (state: string, more: object = {}): RoomFrame => frame({ type: "turn", turn_id: "t", agent_id: "darwin", agent_name: "Darwin", attempt: 1, state, ...more });
const delta = (offset: number, text: string, attempt = 1): RoomFrame => frame({ type: "delta", turn_id: "t", attempt, offset, text });
const answer = (seq: number, text: string, more: object = {}): RoomFrame =>
  said(seq, { turn_id: "t", agent_id: "darwin", agent_name: "Darwin", sender: "[Teacher AI]", content: text, metadata: { is_ai: true, agent_type: "teacher" }, ...more });
const texts = (t: Timeline): string[] => t.lines.map((l) => l.text);
const page = (messages: LineOut[], more = {}) => ({ messages, more_before: false, more_after: false, ...more });

describe("messages", () => {
  it("stand in the order of their seq, however they come, and once", () => {
    const t = new Timeline(me);
    t.replace(page([row(1), row(2)]));
    t.take(said(5));
    t.take(said(3));
    t.take(said(5));
    t.take(said(2));
    expect(texts(t)).toEqual(["text 1", "text 2", "text 3", "text 5"]);
    expect(t.head).toBe(5);
  });

  it("change, go and come back, and so do the quotes of them", () => {
    const t = new Timeline(me);
    t.replace(page([row(1), row(2, { reply_to: { id: "id1", seq: 1, sender: "Ada", excerpt: "text 1" } })]));
    t.take(frame({ type: "message_edited", message_id: "id1", message_seq: 1, content: "better", state: "shown", edited_at: day(2, 9), seq: 3 }));
    expect(t.byId("id1")).toMatchObject({ text: "better", edited: Date.parse(day(2, 9)) });
    expect(t.byId("id2")!.replyTo!.excerpt).toBe("better");
    t.take(frame({ type: "message_deleted", message_id: "id1", message_seq: 1, content: "", state: "deleted", seq: 4 }));
    expect(t.byId("id1")!.state).toBe("deleted");
    expect(t.byId("id2")!.replyTo).toEqual({ id: "id1", seq: 1, sender: "Ada", state: "deleted" });
    t.take(frame({ type: "message_shown", message_id: "id1", message_seq: 1, content: "better", state: "shown", seq: 5 }));
    expect(t.byId("id1")!.state).toBe("shown");
    expect(texts(t)).toHaveLength(2);
  });

  it("have the reactions of all, and know which are one's own", () => {
    const t = new Timeline(me);
    t.replace(page([row(1, { reactions: [{ emoji: "👍", count: 1, mine: true }] })]));
    t.take(frame({ type: "reaction", message_id: "id1", reactions: [{ emoji: "👍", count: 2 }, { emoji: "🎉", count: 1 }], seq: 2 }));
    expect(t.byId("id1")!.reactions).toEqual([{ emoji: "👍", count: 2, mine: true }, { emoji: "🎉", count: 1, mine: false }]);
    t.take(frame({ type: "react", message_id: "id1", reactions: [{ emoji: "🎉", count: 2, mine: true }] }));
    expect(t.byId("id1")!.reactions).toEqual([{ emoji: "🎉", count: 2, mine: true }]);
  });

  it("count their replies, also when one of these goes", () => {
    const t = new Timeline(me);
    t.replace(page([row(1)]));
    t.take(said(2, { reply_to: { id: "id1", seq: 1, sender: "Ada" }, replies: 1 }));
    expect(t.byId("id1")!.replies).toEqual({ count: 1, lastSeq: 2 });
    t.take(frame({ type: "message_deleted", message_id: "id2", message_seq: 2, content: "", state: "deleted", root_id: "id1", replies: 0, seq: 3 }));
    expect(t.byId("id1")!.replies.count).toBe(0);
  });

  it("behind a gap come with the history and not before", () => {
    const t = new Timeline(me);
    t.replace(page([row(1), row(2)], { more_after: true }));
    expect(t.take(said(90))).toBeUndefined();
    expect(texts(t)).toEqual(["text 1", "text 2"]);
    expect(t.head).toBe(90);
    t.append(page([row(3), row(90)]));
    t.take(said(91));
    expect(texts(t)).toEqual(["text 1", "text 2", "text 3", "text 90", "text 91"]);
  });

  it("of earlier pages go on top", () => {
    const t = new Timeline(me);
    t.replace(page([row(3)], { more_before: true }));
    t.prepend(page([row(1), row(2)]));
    expect(texts(t)).toEqual(["text 1", "text 2", "text 3"]);
    expect(t.moreBefore).toBe(false);
  });
});

describe("one's own lines", () => {
  const waiting = { client_id: "c1", text: "hello", at: Date.parse(day(2, 3)), tab: "a" };

  it("keep their place and key from being sent to being stored", () => {
    const t = new Timeline(me);
    t.replace(page([row(1)]));
    t.waiting(waiting, { name: "Me" });
    t.take(said(2));
    expect(texts(t)).toEqual(["text 1", "text 2", "hello"]);
    t.acked("c1", "id3", 3);
    expect(t.byId("id3")).toMatchObject({ key: "c:c1", seq: 3, waiting: undefined, own: true });
    t.take(said(3, { client_id: "c1", content: "hello", metadata: { is_ai: false, sender_id: me } }));
    t.take(said(4));
    expect(t.lines.map((l) => l.key)).toEqual(["m:id1", "m:id2", "c:c1", "m:id4"]);
  });

  it("are there once when the frame comes before the ack", () => {
    const t = new Timeline(me);
    t.waiting(waiting, { name: "Me" });
    t.take(said(3, { client_id: "c1", content: "hello", metadata: { is_ai: false, sender_id: me } }));
    t.acked("c1", "id3", 3);
    expect(t.lines).toHaveLength(1);
  });

  it("that were stored before a reload go when the server says so", () => {
    const t = new Timeline(me);
    t.replace(page([row(1, { sender_id: me, content: "hello" })]));
    t.waiting(waiting, { name: "Me" });
    t.acked("c1", "id1", 1);
    expect(t.lines).toHaveLength(1);
  });
});

describe("answers", () => {
  it("stay in one row from thinking to the stored message", () => {
    const t = new Timeline(me);
    t.replace(page([row(1)]));
    t.take(turn("started"));
    expect(t.turn("t")!.turn!.doing).toBe("thinking");
    t.take(delta(0, "Finches "));
    t.take(delta(8, "differ"));
    t.take(said(2));
    expect(texts(t)).toEqual(["text 1", "text 2", "Finches differ"]);
    t.take(answer(3, "Finches differ."));
    expect(t.lines.at(-1)).toMatchObject({ key: "t:t", seq: 3, text: "Finches differ.", turn: undefined, agentType: "teacher" });
    t.take(delta(14, " late"));
    expect(t.lines.at(-1)!.text).toBe("Finches differ.");
    expect(t.lines).toHaveLength(3);
  });

  it("are put together from pieces that come twice, overlap or are lost", () => {
    const t = new Timeline(me);
    t.take(delta(0, "abc"));
    t.take(delta(0, "abc"));
    t.take(delta(2, "cd"));
    t.take(delta(6, "gh"));
    expect(t.turn("t")!.text).toBe("abcd…gh");
    t.take(delta(8, "i"));
    expect(t.turn("t")!.text).toBe("abcd…ghi");
  });

  it("begin anew with another attempt, and pass over what is left of the old one", () => {
    const t = new Timeline(me);
    t.take(turn("started"));
    t.take(delta(0, "wrong"));
    t.take(turn("retrying", { attempt: 2 }));
    t.take(delta(5, " more"));
    expect(t.turn("t")!.text).toBe("");
    t.take(delta(0, "right", 2));
    expect(t.turn("t")).toMatchObject({ text: "right", turn: { attempt: 2, doing: "writing" } });
  });

  it("go on after a connection that broke in their middle", () => {
    const t = new Timeline(me);
    t.take(turn("started"));
    t.take(delta(0, "one "));
    t.take(frame({ type: "joined", head: 1 }));
    t.take(turn("started", { text: "one two three ", offset: 0 }));
    t.prune();
    t.take(delta(14, "four"));
    expect(t.turn("t")!.text).toBe("one two three four");
  });

  it("that the server does not name any more are gone", () => {
    const t = new Timeline(me);
    t.take(turn("started"));
    t.take(frame({ type: "joined", head: 1 }));
    t.prune();
    expect(t.lines).toHaveLength(0);
  });

  it("that were stored meanwhile take the place of what was heard of them", () => {
    const t = new Timeline(me);
    t.replace(page([row(1)]));
    t.take(delta(0, "one "));
    t.replace(page([row(1), row(2, { turn_id: "t", agent_id: "darwin", agent_name: "Darwin", content: "one two" })]));
    expect(texts(t)).toEqual(["text 1", "one two"]);
    t.take(turn("started"));
    expect(t.lines).toHaveLength(2);
  });

  it("that end without a message say how, and may go on", () => {
    const t = new Timeline(me);
    t.replace(page([row(1)]));
    t.take(turn("started"));
    t.take(turn("failed", { seq: 2, id: "e2", timestamp: day(2, 2), reason: "no_key" }));
    expect(t.lines.at(-1)).toMatchObject({ seq: 2, turn: { doing: "failed", live: false, reason: "no_key" } });
    t.take(said(3));
    t.take(turn("started", { attempt: 2 }));
    expect(t.lines.at(-1)).toMatchObject({ key: "t:t", turn: { doing: "thinking", live: true } });
    expect(t.lines).toHaveLength(3);
  });

  it("say what they do: a tool, a review, waiting for staff", () => {
    const t = new Timeline(me);
    t.take(turn("started"));
    t.take(frame({ type: "workflow", turn_id: "t", node: "search", node_type: "tool", state: "started", workflow: "w" }));
    expect(t.turn("t")!.turn).toMatchObject({ doing: "tool", what: "search" });
    t.take(frame({ type: "a2a_trace", turn_id: "t", seq: 1, metadata: { event_type: "EVAL_REQUEST", is_a2a: true }, content: "" }));
    expect(t.turn("t")!.turn!.doing).toBe("review");
    t.take(turn("parked", { reason: "approval" }));
    expect(t.turn("t")!.turn).toMatchObject({ doing: "approval", live: true });
  });

  it("without anything to say leave nothing", () => {
    const t = new Timeline(me);
    t.take(turn("started"));
    t.take(turn("finished", { seq: 2, id: "e", timestamp: day(2) }));
    expect(t.lines).toHaveLength(0);
  });
});

describe("a resync", () => {
  it("shows the history anew and keeps answers and unsent lines", () => {
    const t = new Timeline(me);
    t.replace(page([row(1), row(2)]));
    t.take(delta(0, "answer"));
    t.waiting({ client_id: "c", text: "mine", at: Date.now(), tab: "a" }, { name: "Me" });
    t.replace(page([row(40), row(41)], { more_before: true }));
    expect(texts(t)).toEqual(["text 40", "text 41", "answer", "mine"]);
    expect(t.moreBefore).toBe(true);
  });
});

describe("rows", () => {
  it("join what one person says within five minutes, and name the days", () => {
    const t = new Timeline(me);
    t.replace(page([row(1), row(2), row(9), row(10, { sender_id: "bob" }), row(11, { created_at: day(3) })]));
    const rows = t.rows();
    expect(rows.map((r) => (r.type === "line" ? r.joined : r.type))).toEqual(["day", false, true, false, false, "day", false]);
    expect(new Set(rows.map((r) => r.key)).size).toBe(rows.length);
  });

  it("have one unread line before the first new message of others", () => {
    const t = new Timeline(me);
    t.replace(page([row(1), row(2, { sender_id: me }), row(3), row(4)]));
    expect(t.rows(1).map((r) => (r.type === "line" ? r.line.seq : r.type))).toEqual(["day", 1, 2, "unread", 3, 4]);
    expect(t.rows(4).some((r) => r.type === "unread")).toBe(false);
  });

  it("have no unread line yet while the first new message is above all that is shown", () => {
    const t = new Timeline(me);
    t.replace(page([row(50), row(51)], { more_before: true }));
    const line = (after: number): number => t.rows(after).findIndex((r) => r.type === "unread");
    expect(line(20)).toBe(-1);
    expect(line(49)).toBe(1);
    t.prepend({ messages: [row(21), row(22)], more_before: true });
    expect(line(20)).toBe(1);
  });

  it("keep 2,000 messages quick to make", () => {
    const t = new Timeline(me);
    t.replace(page(Array.from({ length: 2000 }, (_, i) => row(i + 1))));
    const from = performance.now();
    t.rows(5);
    expect(performance.now() - from).toBeLessThan(200);
  });
});

it("what is guessed can be taken back", () => {
  const t = new Timeline(me);
  t.replace(page([row(1)]));
  const back = t.guess("id1", { state: "deleted" });
  expect(t.byId("id1")!.state).toBe("deleted");
  back();
  expect(t.byId("id1")!.state).toBe("shown");
});
