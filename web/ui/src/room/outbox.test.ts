// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { forgetOthers, keep, kept, outboxKey, unsentOf } from "./kept";
import { Outbox, type Post, type Waiting } from "./outbox";

let sent: Post[];
let open: boolean;
let shown: Waiting[];
let gone: string[];
let silent: number;

function box(tab = "a"): Outbox {
  return new Outbox("me", "room", {
    send: (post) => {
      if (open) sent.push(post);
      return open;
    },
    silent: () => silent++,
    shown: (l) => shown.push({ ...l }),
    gone: (id) => gone.push(id),
  }, tab);
}
const storage = (): void => {
  window.dispatchEvent(Object.assign(new Event("storage"), { key: outboxKey("me", "room") }));
};

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  [sent, open, shown, gone, silent] = [[], true, [], [], 0];
});
afterEach(() => vi.useRealTimers());

describe("a message", () => {
  it("is sent at once, and forgotten when the server has it", () => {
    const o = box();
    const { client_id } = o.add("hello", { mentions: [{ kind: "agent", id: "d" }] });
    expect(sent).toEqual([{ type: "post", room_id: "room", client_id, text: "hello", mentions: [{ kind: "agent", id: "d" }] }]);
    o.acked(client_id);
    o.acked(client_id); // twice, after it was sent again
    expect(o.lines).toHaveLength(0);
    expect(kept(outboxKey("me", "room"))).toBe("");
  });

  it("waits for the connection, and outlives the page", () => {
    open = false;
    const first = box();
    const { client_id } = first.add("hello");
    first.close();
    open = true;
    const o = box();
    expect(o.lines.map((l) => l.text)).toEqual(["hello"]);
    o.flush();
    expect(sent.map((s) => s.client_id)).toEqual([client_id]);
  });

  it("says that the connection is dead when no answer comes", () => {
    const o = box();
    const { client_id } = o.add("hello");
    vi.advanceTimersByTime(15_000);
    expect(silent).toBe(1);
    o.flush();
    expect(sent.map((s) => s.client_id)).toEqual([client_id, client_id]);
  });

  it("is sent again when the server says so, by itself", () => {
    const o = box();
    const { client_id } = o.add("hello");
    o.refused(client_id, "Too many", 3);
    o.flush();
    vi.advanceTimersByTime(2_000);
    expect(sent).toHaveLength(1);
    vi.advanceTimersByTime(1_001);
    expect(sent).toHaveLength(2);
    expect(o.find(client_id)!.refused).toBeUndefined();
  });

  it("that is refused is not sent again before its author asks", () => {
    const o = box();
    const { client_id } = o.add("hello");
    o.refused(client_id, "You may only listen here.");
    o.flush();
    expect(sent).toHaveLength(1);
    expect(shown.at(-1)!.refused).toBe("You may only listen here.");
    o.again(client_id);
    expect(sent).toHaveLength(2);
    expect(o.remove(client_id)!.text).toBe("hello");
    expect(o.lines).toHaveLength(0);
  });

  it("that closes the connection is the longest", () => {
    const o = box();
    o.add("short");
    const long = o.add("x".repeat(100));
    o.refuseLongest("Too long");
    expect(o.find(long.client_id)!.refused).toBe("Too long");
    expect(o.lines.filter((l) => l.refused)).toHaveLength(1);
  });
});

describe("several tabs", () => {
  it("know of each other's messages, and one sends them", () => {
    open = false;
    const a = box("a");
    const b = box("b");
    const { client_id } = a.add("hello");
    storage();
    expect(b.lines.map((l) => l.client_id)).toEqual([client_id]);
    open = true;
    a.flush();
    b.flush();
    expect(sent).toHaveLength(1);
    a.acked(client_id);
    storage();
    expect(gone).toContain(client_id);
    expect(b.lines).toHaveLength(0);
    vi.advanceTimersByTime(60_000);
    expect(sent).toHaveLength(1);
  });

  it("send what a tab that is gone has left", () => {
    open = false;
    box("a").add("hello");
    open = true;
    const b = box("b");
    b.flush();
    vi.advanceTimersByTime(20_001);
    expect(sent).toHaveLength(1);
  });

  it("do not lose what another has written meanwhile", () => {
    open = false;
    const a = box("a");
    const b = box("b");
    a.add("one");
    b.add("two"); // before it heard of the other
    expect(box("c").lines.map((l) => l.text).sort()).toEqual(["one", "two"]);
  });
});

it("leaves nothing to the next person at this browser", () => {
  open = false;
  box().add("hello");
  forgetOthers("me");
  expect(kept(outboxKey("me", "room"))).not.toBe("");
  forgetOthers("you");
  expect(kept(outboxKey("me", "room"))).toBe("");
});

it("counts what waits in all rooms of one person, and nothing of others", () => {
  open = false;
  box().add("one");
  box().add("two");
  keep(outboxKey("me", "other"), JSON.stringify([{ client_id: "x", text: "three" }]));
  keep(outboxKey("me", "broken"), "{");
  keep(outboxKey("mea", "room"), JSON.stringify([{ client_id: "y", text: "not mine" }]));
  expect(unsentOf("me")).toBe(3);
  expect(unsentOf("nobody")).toBe(0);
});
