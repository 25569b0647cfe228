import { expect, test } from "vitest";
import type { RoomFrame } from "./line";
import { isOfThread } from "./replies";
import { Timeline } from "./timeline";

const said = (id: string, seq: number, replyTo?: string): RoomFrame =>
  ({ type: "message", id, seq, sender: "Ada", content: "x", timestamp: "2026-03-02T08:15:00Z", metadata: { is_ai: false, sender_id: "u1" }, ...(replyTo ? { reply_to: { id: replyTo, seq: 1, sender: "Bo" } } : {}) }) as unknown as RoomFrame;
const turn = (id: string, root?: string): RoomFrame => ({ type: "turn", state: "started", turn_id: id, attempt: 1, agent_id: "a", agent_name: "Socrates", timestamp: "2026-03-02T08:15:00Z", ...(root ? { root_id: root } : {}) }) as unknown as RoomFrame;
const delta = (id: string): RoomFrame => ({ type: "delta", turn_id: id, attempt: 1, offset: 0, text: "Light" }) as unknown as RoomFrame;

test("a thread takes replies to its root, and nothing else that is said", () => {
  const timeline = new Timeline("me");
  timeline.take(said("root", 1));
  expect(isOfThread(said("m2", 2, "root"), "root", timeline)).toBe(true);
  expect(isOfThread(said("m3", 3, "other"), "root", timeline)).toBe(false);
  expect(isOfThread(said("m4", 4), "root", timeline)).toBe(false);
});

test("a thread hears of changes of what it shows alone", () => {
  const timeline = new Timeline("me");
  timeline.take(said("root", 1));
  const edited = (id: string) => ({ type: "message_edited", message_id: id, content: "y", state: "shown" }) as unknown as RoomFrame;
  expect(isOfThread(edited("root"), "root", timeline)).toBe(true);
  expect(isOfThread(edited("m9"), "root", timeline)).toBe(false);
});

test("an answer in the thread is written in it; another one is not", () => {
  const timeline = new Timeline("me");
  timeline.take(said("root", 1));
  expect(isOfThread(turn("t1", "root"), "root", timeline)).toBe(true);
  expect(isOfThread(turn("t2"), "root", timeline)).toBe(false);
  expect(isOfThread(delta("t1"), "root", timeline)).toBe(false);
  timeline.take(turn("t1", "root"));
  expect(isOfThread(delta("t1"), "root", timeline)).toBe(true);
});
