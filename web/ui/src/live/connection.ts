import { Cursors, type Followed } from "./cursors";
import { eventsWire, socketWire, type Frame, type Hearer, type Request, type Wire } from "./wire";

/*
 * One connection for all that concerns a person: a socket that reconnects with growing,
 * jittered pauses and takes up each room where it left off. Where WebSockets are cut on the
 * way, the same frames come as server-sent events, and requests go by HTTP.
 */

export type State = "connecting" | "open" | "waiting" | "ended";
export type { Followed, Frame, Request };

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

const closeSessionEnded = 4001;
const closeNotMember = 4003;
const closeTooLarge = 1009;
const firstPause = 500;
const longestPause = 15_000;
const settledAfter = 5_000;
const staleAfterHidden = 60_000;
// So many handshakes have to fail while HTTP works before the socket is taken for cut.
const triesBeforeEvents = 3;
const mostStreamed = 20;
const mostAtOnce = 100;

export class Connection {
  #options: Options;
  #wire: Wire | undefined;
  #byEvents = false;
  #opened = false; // a socket was open once
  #failed = 0; // handshakes that failed while HTTP worked
  #tries = 0;
  #renewed = false;
  #hiddenAt = 0;
  #stopped = true;
  #timers: { next?: ReturnType<typeof setTimeout>; settle?: ReturnType<typeof setTimeout> } = {};
  #rooms = new Cursors();
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
    return this.#wire?.isOpen === true;
  }

  /** True while the frames come as server-sent events. */
  get streams(): boolean {
    return this.#byEvents;
  }

  /** How far a room has come. */
  cursor(room: string): number | undefined {
    return this.#rooms.get(room)?.after;
  }

  follow(room: Followed): void {
    this.#rooms.add(room);
    if (!this.#wire?.send({ type: "subscribe", rooms: [room] })) this.#reopen();
  }

  unfollow(room: string): void {
    if (this.#rooms.remove(room) && !this.#wire?.send({ type: "unsubscribe", room_ids: [room] })) this.#reopen();
  }

  /** Sends a request; false when nothing is open, and then nothing was sent. */
  send(request: Request): boolean {
    if (this.#wire?.send(request)) return true;
    if (!this.#byEvents || !this.isOpen) return false;
    void this.#options.byHTTP(request).then((frames) => {
      if (!this.#stopped) for (const frame of frames) this.#take(frame);
    });
    return true;
  }

  retryNow(): void {
    if (this.#stopped || this.#wire) return;
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

  // The address of the events names the rooms.
  #reopen(): void {
    if (!this.#byEvents || !this.#wire) return;
    clearTimeout(this.#timers.next);
    this.#timers.next = setTimeout(() => this.renew(), 0);
  }

  #open(): void {
    clearTimeout(this.#timers.next);
    this.#options.onState("connecting");
    const hearer: Hearer = {
      opened: () => this.#isOpen(),
      data: (text) => this.#data(text),
      closed: (code, opened) => void this.#closed(code, opened),
    };
    if (this.#byEvents) this.#wire = eventsWire(this.#options.eventsAddress(this.#rooms.all.slice(-mostStreamed)), hearer);
    else this.#wire = socketWire(this.#options.socketAddress(), hearer);
  }

  #isOpen(): void {
    if (!this.#byEvents) {
      this.#opened = true;
      const rooms = this.#rooms.all;
      for (let i = 0; i < rooms.length; i += mostAtOnce) this.#wire?.send({ type: "subscribe", rooms: rooms.slice(i, i + mostAtOnce) });
    }
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
    const anew = this.#rooms.take(frame);
    if (anew) {
      this.follow(anew);
      return;
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
    this.#wire?.close();
    this.#wire = undefined;
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
    if (!this.#wire) this.retryNow();
    else if (this.isOpen && this.#hiddenAt > 0 && Date.now() - this.#hiddenAt > staleAfterHidden) this.renew();
  }
}
