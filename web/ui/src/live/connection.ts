import type { Schemas } from "@/api/client";

/*
 * One connection for all that concerns a person: a socket that reconnects with growing,
 * jittered pauses and takes up each room where it left off. Where WebSockets are cut on the
 * way, the same frames come as server-sent events, and requests go by HTTP.
 */

export type Frame = Schemas["MyFrame"];
export type Request = Schemas["MyRequest"];
export type State = "connecting" | "open" | "waiting" | "ended";
export interface Followed {
  room_id: string;
  after?: number;
  absent?: boolean;
}

export interface Options {
  socketAddress(): string;
  eventsAddress(rooms: Followed[]): string;
  onFrame(frame: Frame): void;
  onState(state: State): void;
  /** The session is over and could not be renewed. */
  onEnd(): void;
  /** The server did not take the last frame for its size. */
  onTooLarge(): void;
  /** Renews the session; false when that is refused. It throws when no answer comes. */
  renew(): Promise<boolean>;
  /** Says, after a refused handshake, what HTTP says: a browser does not tell why it was refused. */
  check(): Promise<"fine" | "signed-out" | "away">;
  /** Does by HTTP what a socket would do, and returns the frames that answer it. */
  byHTTP(request: Request): Promise<Frame[]>;
}

export const protocol = "coagent.me.v1";
const closeSessionEnded = 4001;
const closeNotMember = 4003;
const closeTooLarge = 1009;
const firstPause = 500;
const longestPause = 15_000;
const openTimeout = 15_000;
const settledAfter = 5_000;
const staleAfterHidden = 60_000;
// So many handshakes have to fail while HTTP works before the socket is taken for cut.
const triesBeforeEvents = 3;
const mostStreamed = 20;

const kinds = [
  "message", "system", "message_edited", "message_deleted", "reaction", "pin", "archived", "message_hidden", "message_shown", "turn", "budget", "guard",
  "a2a_trace", "workflow", "artifact_update", "artifact_delete", "approval", "joined", "delta", "ack", "presence", "typing", "editing", "resync", "stop",
  "react", "error", "rooms", "mention", "unsubscribed", "room_gone", "course_copy", "account",
];

export class Connection {
  #options: Options;
  #socket: WebSocket | undefined;
  #events: EventSource | undefined;
  #byEvents = false;
  #opened = false; // a socket was open once
  #failed = 0; // handshakes that failed while HTTP worked
  #tries = 0;
  #renewed = false;
  #hiddenAt = 0;
  #stopped = true;
  #timers: { next?: ReturnType<typeof setTimeout>; open?: ReturnType<typeof setTimeout>; settle?: ReturnType<typeof setTimeout> } = {};
  #followed = new Map<string, Followed>();
  #life = new AbortController();

  constructor(options: Options) {
    this.#options = options;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    const { signal } = this.#life;
    window.addEventListener("online", () => this.retryNow(), { signal });
    window.addEventListener("offline", () => this.#lost(), { signal });
    document.addEventListener("visibilitychange", () => this.#visibility(), { signal });
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#life.abort();
    this.#life = new AbortController();
    this.#drop();
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN || this.#events?.readyState === EventSource.OPEN;
  }

  /** True while the frames come as server-sent events. */
  get streams(): boolean {
    return this.#byEvents;
  }

  /** How far a room has come. */
  cursor(room: string): number | undefined {
    return this.#followed.get(room)?.after;
  }

  follow(room: Followed): void {
    this.#followed.set(room.room_id, { ...room });
    if (this.#socket?.readyState === WebSocket.OPEN) this.#write({ type: "subscribe", rooms: [room] });
    else if (this.#byEvents && this.#events) this.#reopen();
  }

  unfollow(room: string): void {
    if (!this.#followed.delete(room)) return;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#write({ type: "unsubscribe", room_ids: [room] });
    else if (this.#byEvents && this.#events) this.#reopen();
  }

  /** Sends a request; false when nothing is open, and then nothing was sent. */
  send(request: Request): boolean {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#write(request);
      return true;
    }
    if (!this.#byEvents || !this.isOpen) return false;
    void this.#options.byHTTP(request).then((frames) => {
      if (!this.#stopped) for (const frame of frames) this.#take(frame);
    });
    return true;
  }

  retryNow(): void {
    if (this.#stopped || this.#socket || this.#events) return;
    this.#tries = 0;
    // The network may be another one, with other rules.
    this.#byEvents = false;
    this.#failed = 0;
    this.#open();
  }

  /** Replaces a socket that seems dead although the browser calls it open. */
  renew(): void {
    if (this.#stopped) return;
    this.#drop();
    this.#open();
  }

  #write(request: Request): void {
    this.#socket?.send(JSON.stringify(request));
  }

  #reopen(): void {
    clearTimeout(this.#timers.next);
    this.#timers.next = setTimeout(() => this.renew(), 0);
  }

  #open(): void {
    clearTimeout(this.#timers.next);
    this.#options.onState("connecting");
    if (this.#byEvents) this.#openEvents();
    else this.#openSocket();
  }

  #openSocket(): void {
    const socket = new WebSocket(this.#options.socketAddress(), [protocol]);
    this.#socket = socket;
    let opened = false;
    this.#timers.open = setTimeout(() => socket.close(), openTimeout);
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      opened = true;
      this.#opened = true;
      const rooms = [...this.#followed.values()];
      for (let i = 0; i < rooms.length; i += 100) this.#write({ type: "subscribe", rooms: rooms.slice(i, i + 100) });
      this.#isOpen();
    });
    socket.addEventListener("message", (event) => {
      if (socket === this.#socket) this.#data(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) void this.#closed(event.code, opened);
    });
  }

  #openEvents(): void {
    const rooms = [...this.#followed.values()].slice(-mostStreamed);
    const events = new EventSource(this.#options.eventsAddress(rooms));
    this.#events = events;
    let opened = false;
    let code = 0;
    events.addEventListener("open", () => {
      if (events !== this.#events) return;
      opened = true;
      this.#isOpen();
    });
    for (const kind of kinds) {
      events.addEventListener(kind, (event) => {
        // A frame of the type "error" has data; the browser's own error has none.
        if (events === this.#events && event instanceof MessageEvent) this.#data(event.data);
      });
    }
    events.addEventListener("end", (event) => {
      code = Number((JSON.parse(String((event as MessageEvent).data)) as { code?: number }).code ?? 0);
    });
    events.addEventListener("error", (event) => {
      if (events === this.#events && !(event instanceof MessageEvent)) void this.#closed(code, opened);
    });
  }

  #isOpen(): void {
    clearTimeout(this.#timers.open);
    this.#failed = 0;
    this.#timers.settle = setTimeout(() => {
      this.#tries = 0;
      this.#renewed = false;
    }, settledAfter);
    this.#options.onState("open");
  }

  #data(data: unknown): void {
    if (typeof data !== "string") return;
    let frame: unknown;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame !== null && typeof frame === "object" && "type" in frame) this.#take(frame as Frame);
  }

  #take(frame: Frame): void {
    const room = "room_id" in frame && frame.room_id ? this.#followed.get(frame.room_id) : undefined;
    if (room) {
      // An ack may overtake what came before it.
      if (frame.type === "joined") room.after ??= frame.head;
      else if (frame.type === "resync") room.after = frame.after;
      else if (frame.type !== "ack" && frame.type !== "mention" && "seq" in frame && typeof frame.seq === "number") room.after = Math.max(room.after ?? 0, frame.seq);
      if (frame.type === "unsubscribed" && frame.reason === "role_changed") {
        this.follow(room);
        return;
      }
      if (frame.type === "unsubscribed" && frame.reason === "not_member") this.#followed.delete(frame.room_id);
    }
    this.#options.onFrame(frame);
  }

  async #closed(code: number, opened: boolean): Promise<void> {
    this.#drop();
    if (this.#stopped) return;
    if (code === closeSessionEnded || code === closeNotMember) return this.#sessionEnded();
    if (code === closeTooLarge) this.#options.onTooLarge();
    this.#pause();
    if (opened) return;
    const found = await this.#options.check();
    if (this.#stopped || this.isOpen) return;
    if (found === "signed-out") return this.#end();
    if (found !== "fine" || this.#opened) return;
    this.#failed++;
    if (this.#failed >= triesBeforeEvents) this.#byEvents = true;
  }

  // A session is renewed once; if the next socket ends in the same way, it is over.
  async #sessionEnded(): Promise<void> {
    this.#options.onState("waiting");
    if (this.#renewed) return this.#end();
    this.#renewed = true;
    let again = true;
    try {
      again = await this.#options.renew();
    } catch {
      if (!this.#stopped) this.#pause();
      return;
    }
    if (this.#stopped) return;
    if (again) this.#open();
    else this.#end();
  }

  #pause(): void {
    this.#options.onState("waiting");
    const longest = Math.min(longestPause, firstPause * 2 ** this.#tries);
    this.#tries++;
    clearTimeout(this.#timers.next);
    // A whole class loses its sockets in the same instant when a server restarts.
    this.#timers.next = setTimeout(() => this.#open(), longest * (0.5 + Math.random() / 2));
  }

  #lost(): void {
    if (this.#stopped) return;
    this.#drop();
    this.#pause();
  }

  #drop(): void {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(1000);
    this.#events?.close();
    this.#events = undefined;
  }

  #end(): void {
    this.stop();
    this.#options.onState("ended");
    this.#options.onEnd();
  }

  // A phone that slept may hold a socket that is long dead on the other side.
  #visibility(): void {
    if (document.hidden) {
      this.#hiddenAt = Date.now();
      return;
    }
    if (!this.#socket && !this.#events) this.retryNow();
    else if (this.isOpen && this.#hiddenAt > 0 && Date.now() - this.#hiddenAt > staleAfterHidden) this.renew();
  }
}
