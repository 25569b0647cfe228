import type { Schemas } from "@/api/client";
import { newId } from "@/parts/ids";
import { keep, kept, outboxKey } from "./kept";
import type { File } from "./line";

/** A message that the server has not acknowledged. */
export interface Waiting {
  client_id: string;
  text: string;
  at: number;
  tab: string; // the tab that sends it
  files?: File[];
  mentions?: Schemas["MentionID"][];
  reply?: Schemas["ReplyTo"];
  /** Why the server does not take it; it is not sent again before its author asks for that. */
  refused?: string;
  /** It is sent again then. */
  until?: number;
}

export type Post = Schemas["MePost"];

interface Ways {
  /** Sends a post; false when nothing is open. */
  send(post: Post): boolean;
  /** No answer came in time: the connection may be dead. */
  silent(): void;
  shown(line: Waiting): void;
  gone(clientId: string): void;
}

const ackTimeout = 15_000;
const orphanedAfter = 20_000; // another tab that is still there has sent its own by then
const longText = 16_000;
const longTries = 3;
/** This tab, among those of the same person. */
const thisTab = newId();

/** The messages of one person in one room that wait for the server. They outlive the page, and all tabs know of them. */
export class Outbox {
  #user: string;
  #room: string;
  #ways: Ways;
  #lines: Waiting[] = [];
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #tries = new Map<string, number>();
  #life = new AbortController();
  #tab: string;

  constructor(user: string, room: string, ways: Ways, tab = thisTab) {
    this.#user = user;
    this.#room = room;
    this.#ways = ways;
    this.#tab = tab;
    this.#lines = this.#read();
    window.addEventListener("storage", (e) => e.key === this.#key && this.#others(), { signal: this.#life.signal });
  }

  get #key(): string {
    return outboxKey(this.#user, this.#room);
  }
  get lines(): readonly Waiting[] {
    return this.#lines;
  }
  find(clientId: string): Waiting | undefined {
    return this.#lines.find((l) => l.client_id === clientId);
  }

  add(text: string, more: Pick<Waiting, "files" | "mentions" | "reply"> = {}): Waiting {
    const line: Waiting = { client_id: newId(), text, at: Date.now(), tab: this.#tab, ...more };
    this.#lines.push(line);
    this.#save();
    this.#ways.shown(line);
    this.#post(line);
    return line;
  }

  /** Sends all that waits: the connection is there. */
  flush(): void {
    for (const line of [...this.#lines]) {
      if (line.tab === this.#tab) this.#post(line);
      else this.#later(line, Math.max(0, line.at + orphanedAfter - Date.now()));
    }
  }

  /** An answer of the server: it has the message, if for the first time or not. */
  acked(clientId: string): void {
    if (this.find(clientId)) this.remove(clientId);
  }

  /** The server does not take a message: now, or as it is. */
  refused(clientId: string, why: string, retryAfter?: number): void {
    const line = this.find(clientId);
    if (!line) return;
    this.#clear(clientId);
    if (retryAfter === undefined) {
      line.refused = why;
      delete line.until;
    } else {
      const ms = Math.max(1, retryAfter) * 1000;
      line.until = Date.now() + ms;
      this.#later(line, ms);
    }
    this.#save();
    this.#ways.shown(line);
  }

  /** A message that closes the connection must not be sent with each new one. */
  refuseLongest(why: string): void {
    const [longest] = this.#lines.filter((l) => !l.refused).sort((a, b) => b.text.length - a.text.length);
    if (longest) this.refused(longest.client_id, why);
  }

  again(clientId: string): void {
    const line = this.find(clientId);
    if (!line) return;
    delete line.refused;
    delete line.until;
    line.tab = this.#tab;
    this.#tries.delete(clientId);
    this.#save();
    this.#ways.shown(line);
    this.#post(line);
  }

  /** Takes a message back, before the server has it. */
  remove(clientId: string): Waiting | undefined {
    const line = this.find(clientId);
    this.#clear(clientId);
    this.#tries.delete(clientId);
    this.#lines = this.#lines.filter((l) => l !== line);
    this.#save(clientId);
    return line;
  }

  /** The connection is lost: no answers are waited for. */
  lost(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  close(): void {
    this.#life.abort();
    this.lost();
  }

  #post(line: Waiting): void {
    if (line.refused || (line.until ?? 0) > Date.now()) {
      if (line.until) this.#later(line, line.until - Date.now());
      return;
    }
    const tries = (this.#tries.get(line.client_id) ?? 0) + 1;
    if (line.text.length > longText && tries > longTries) {
      // A proxy may end the connection for a long frame and say no reason.
      this.refused(line.client_id, "");
      return;
    }
    const sent = this.#ways.send({
      type: "post",
      room_id: this.#room,
      client_id: line.client_id,
      text: line.text,
      ...(line.files?.length ? { files: line.files.map((f) => f.id) } : {}),
      ...(line.mentions?.length ? { mentions: line.mentions } : {}),
      ...(line.reply ? { reply_to: line.reply.id } : {}),
    });
    if (!sent) return;
    this.#tries.set(line.client_id, tries);
    if (line.until) {
      delete line.until;
      this.#ways.shown(line);
    }
    this.#clear(line.client_id);
    this.#timers.set(line.client_id, setTimeout(() => this.#ways.silent(), ackTimeout));
  }

  #later(line: Waiting, ms: number): void {
    this.#clear(line.client_id);
    this.#timers.set(
      line.client_id,
      setTimeout(() => {
        const still = this.find(line.client_id);
        if (still) this.#post(still);
      }, ms),
    );
  }

  #clear(clientId: string): void {
    clearTimeout(this.#timers.get(clientId));
    this.#timers.delete(clientId);
  }

  // Another tab may have added or removed lines since this one has read them.
  #save(removed?: string): void {
    const own = new Set(this.#lines.map((l) => l.client_id));
    const others = this.#read().filter((l) => !own.has(l.client_id) && l.client_id !== removed && l.tab !== this.#tab);
    const all = [...this.#lines, ...others];
    keep(this.#key, all.length === 0 ? "" : JSON.stringify(all));
  }

  #others(): void {
    const now = this.#read();
    const ids = new Set(now.map((l) => l.client_id));
    for (const line of this.#lines) {
      if (ids.has(line.client_id)) continue;
      this.#clear(line.client_id);
      this.#ways.gone(line.client_id);
    }
    this.#lines = now;
    for (const line of now) this.#ways.shown(line);
  }

  #read(): Waiting[] {
    try {
      const found: unknown = JSON.parse(kept(this.#key) || "[]");
      return Array.isArray(found) ? found.filter((l): l is Waiting => typeof l?.client_id === "string" && typeof l.text === "string") : [];
    } catch {
      return [];
    }
  }
}
