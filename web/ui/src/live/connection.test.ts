// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type Frame, type Options, type State } from "./connection";

class Socket extends EventTarget {
  static readonly OPEN = 1;
  static all: Socket[] = [];
  readyState = 0;
  sent: string[] = [];
  constructor(readonly url: string, readonly protocols: string[]) {
    super();
    Socket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.readyState = 3;
  }
  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }
  say(frame: object): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(frame) }));
  }
  end(code = 1006): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}
class Events extends EventTarget {
  static readonly OPEN = 1;
  static all: Events[] = [];
  readyState = 0;
  constructor(readonly url: string) {
    super();
    Events.all.push(this);
  }
  close(): void {
    this.readyState = 2;
  }
  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }
  say(frame: { type: string }): void {
    this.dispatchEvent(new MessageEvent(frame.type, { data: JSON.stringify(frame) }));
  }
}

let frames: Frame[];
let states: State[];
let ended: number;
let options: Options;
let found: "fine" | "signed-out" | "away";
let renewable: boolean;
const last = (): Socket => Socket.all.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("EventSource", Events);
  [Socket.all, Events.all, frames, states, ended, found, renewable] = [[], [], [], [], 0, "fine", true];
  options = {
    socketAddress: () => "ws://x/api/v1/users/me/ws",
    eventsAddress: (rooms) => `/events?${rooms.map((r) => `${r.room_id}:${r.after}`).join(",")}`,
    onFrame: (f) => frames.push(f),
    onState: (s) => states.push(s),
    onEnd: () => ended++,
    onTooLarge: vi.fn(),
    renew: async () => renewable,
    check: async () => found,
    byHTTP: async (r) => [{ type: "ack", client_id: (r as { client_id: string }).client_id, id: "i", seq: 9, dup: false }],
  };
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
const later = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("a connection", () => {
  it("takes up each room where it was", async () => {
    const c = new Connection(options);
    c.follow({ room_id: "r", after: 4 });
    c.start();
    last().open();
    expect(last().protocols).toEqual(["coagent.me.v1"]);
    expect(JSON.parse(last().sent[0]!)).toEqual({ type: "subscribe", rooms: [{ room_id: "r", after: 4 }] });
    last().say({ type: "message", room_id: "r", seq: 7 });
    last().say({ type: "ack", room_id: "r", seq: 12 });
    last().end();
    await later(1_000);
    last().open();
    expect(JSON.parse(last().sent[0]!)).toEqual({ type: "subscribe", rooms: [{ room_id: "r", after: 7 }] });
    last().say({ type: "resync", room_id: "r", after: 900 });
    expect(c.cursor("r")).toBe(900);
    expect(frames.map((f) => f.type)).toEqual(["message", "ack", "resync"]);
    c.stop();
  });

  it("waits longer after each failure, and never longer than 15 s", async () => {
    const c = new Connection(options);
    found = "away";
    c.start();
    for (let i = 0; i < 12; i++) {
      last().end();
      await later(15_000);
    }
    expect(Socket.all).toHaveLength(13);
    last().end();
    await later(7_000);
    expect(Socket.all).toHaveLength(13);
    c.stop();
    await later(60_000);
    expect(Socket.all).toHaveLength(13);
  });

  it("renews a session that ended once, then leads to the sign-in", async () => {
    const c = new Connection(options);
    c.start();
    last().open();
    last().end(4001);
    await later(0);
    expect(Socket.all).toHaveLength(2);
    last().open();
    last().end(4001);
    await later(0);
    expect(ended).toBe(1);
    expect(states.at(-1)).toBe("ended");
  });

  it("that is refused for its session ends", async () => {
    found = "signed-out";
    new Connection(options).start();
    last().end();
    await later(0);
    expect(ended).toBe(1);
  });

  it("says when a message was too large, and comes back", async () => {
    const c = new Connection(options);
    c.start();
    last().open();
    last().end(1009);
    await later(1_000);
    expect(options.onTooLarge).toHaveBeenCalledOnce();
    expect(Socket.all).toHaveLength(2);
    c.stop();
  });

  it("asks again where the role has changed", () => {
    const c = new Connection(options);
    c.start();
    last().open();
    c.follow({ room_id: "r", after: 1 });
    last().say({ type: "message", room_id: "r", seq: 3 });
    last().say({ type: "unsubscribed", room_id: "r", reason: "role_changed" });
    expect(JSON.parse(last().sent.at(-1)!)).toEqual({ type: "subscribe", rooms: [{ room_id: "r", after: 3 }] });
    c.stop();
  });

  it("is replaced when it seems dead, and does not hear the old one any more", () => {
    const c = new Connection(options);
    c.start();
    const old = last();
    old.open();
    c.renew();
    old.say({ type: "account" });
    old.end();
    expect(frames).toHaveLength(0);
    expect(Socket.all).toHaveLength(2);
    c.stop();
  });
});

describe("where sockets are cut", () => {
  async function cut(c: Connection): Promise<void> {
    c.start();
    for (let i = 0; i < 3; i++) {
      last().end();
      await later(4_000);
    }
  }

  it("the frames come as events, and posts go by HTTP", async () => {
    const c = new Connection(options);
    c.follow({ room_id: "r", after: 2 });
    await cut(c);
    expect(Events.all).toHaveLength(1);
    Events.all[0]!.open();
    Events.all[0]!.say({ type: "message", room_id: "r", seq: 3 } as never);
    Events.all[0]!.say({ type: "error", room_id: "r" } as never);
    expect(frames.map((f) => f.type)).toEqual(["message", "error"]);
    expect(c.send({ type: "post", room_id: "r", client_id: "c", text: "hi" })).toBe(true);
    await later(0);
    expect(frames.at(-1)).toMatchObject({ type: "ack", client_id: "c" });
    c.follow({ room_id: "s" });
    await later(1);
    expect(Events.all.at(-1)!.url).toBe("/events?r:3,s:undefined");
    c.stop();
  });

  it("that is not guessed while the server is away, nor where one was open before", async () => {
    found = "away";
    const c = new Connection(options);
    await cut(c);
    found = "fine";
    last().open();
    last().end();
    await cut(c);
    expect(Events.all).toHaveLength(0);
    c.stop();
  });
});
