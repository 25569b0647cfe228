import type { Schemas } from "@/api/client";
import { ofFrame, ofHistory, timeOf, type Doing, type Line, type LineOut, type MessageFrame, type RoomFrame } from "./line";
import { LineList, ofTurns, ofWaiting, type Hooks } from "./list";
import { noticeOf, type Said } from "./notices";
import type { Waiting } from "./outbox";
import { rowsOf, type Row } from "./rows";
import { Turns } from "./turns";

/** All that is said in a room, in its order, from the history and from frames that may come twice, late or not at all. */
export class Timeline {
  moreBefore = false;
  moreAfter = false; // what is shown ends before the newest
  #me: string;
  #list: LineList;
  #turns: Turns;

  constructor(me: string, hooks: Hooks = {}) {
    this.#me = me;
    this.#list = new LineList(hooks);
    this.#turns = new Turns(this.#list);
  }

  /** The newest message's seq. */
  get head(): number {
    return this.#list.head;
  }
  get lines(): readonly Line[] {
    return this.#list.all;
  }
  byId(id: string): Line | undefined {
    return this.#list.byId.get(id);
  }
  turn(id: string): Line | undefined {
    return this.#list.turn(id);
  }
  /** What the person has said last and can still be changed. */
  lastOwn(): Line | undefined {
    return this.stored().findLast((l) => l.own && l.state === "shown");
  }
  stored(): Line[] {
    return this.#list.stored();
  }
  /** The answers that are being written or wait for somebody. */
  get live(): Line[] {
    return this.#turns.live;
  }

  /** Shows a page of the history in place of what is stored here; answers and unsent lines stay. */
  replace(page: { messages: LineOut[]; more_before: boolean; more_after: boolean }): void {
    for (const line of [...this.#list.all]) if (line.seq < ofTurns) this.#list.remove(line);
    this.moreBefore = page.more_before;
    this.moreAfter = page.more_after;
    this.#rows(page.messages);
  }

  prepend(page: { messages: LineOut[]; more_before: boolean }): void {
    this.moreBefore = page.more_before;
    this.#rows(page.messages);
  }

  append(page: { messages: LineOut[]; more_after: boolean }): void {
    this.moreAfter = page.more_after;
    this.#rows(page.messages);
  }

  #rows(rows: LineOut[]): void {
    for (const row of rows) this.#store(ofHistory(row, this.#me), `m:${row.id}`, row.turn_id ?? undefined);
    this.#list.changed();
  }

  /** Takes a frame of the room. It returns the line that is new by it. */
  take(f: RoomFrame): Line | undefined {
    switch (f.type) {
      case "message":
        return this.#message(f);
      case "message_edited":
      case "message_deleted":
      case "message_hidden":
      case "message_shown":
        this.#changed(f);
        return undefined;
      case "reaction":
      case "react":
        this.#reacted(f.message_id, f.reactions);
        return undefined;
      case "turn":
        return this.#turns.take(f);
      case "delta":
        this.#turns.delta(f);
        return undefined;
      case "workflow":
        this.#turns.does(f.turn_id, f.state === "finished" ? "thinking" : f.node_type === "tool" ? "tool" : undefined, f.state === "finished" ? "" : f.node);
        return undefined;
      case "a2a_trace":
        this.#turns.does(f.turn_id, ({ PROPOSAL: "drafting", EVAL_REQUEST: "review", REVISION: "revising", DENIED: "revising" } as Record<string, Doing>)[f.metadata.event_type] ?? "thinking", "");
        return undefined;
      case "joined":
        this.#turns.forget();
        return undefined;
      case "guard":
        if (f.state !== "stopped") for (const line of this.#list.all) if (line.notice?.kind === "guard") line.notice = { ...line.notice, open: false };
        break;
    }
    const notice = noticeOf(f, () => this.#list.next());
    return notice && this.#notice(notice);
  }

  /** Ends the answers that the server has not named since the connection is back. */
  prune(): void {
    this.#turns.prune();
  }

  /** Shows one's own line that the server does not have yet. */
  waiting(w: Waiting, me: { name: string }): Line {
    const key = `c:${w.client_id}`;
    let line = this.#list.byKey.get(key);
    if (!line) {
      line = this.#list.make(key, "person", ofWaiting + this.#list.next(), w.at);
      line.own = true;
      line.name = me.name;
      line.senderId = this.#me;
      this.#list.insert(line);
    }
    if (line.id !== undefined) return line;
    line.text = w.text;
    line.files = w.files ?? [];
    line.replyTo = w.reply;
    line.waiting = { ...w };
    this.#list.changed();
    return line;
  }

  /** The server has stored a line; its frame may come later. */
  acked(clientId: string, id: string, seq: number): void {
    const line = this.#list.byKey.get(`c:${clientId}`);
    if (!line || line.id !== undefined) return;
    if (this.#list.byId.has(id)) this.#list.remove(line);
    else {
      line.waiting = undefined;
      line.id = id;
      this.#list.byId.set(id, line);
      this.#list.head = Math.max(this.#list.head, seq);
      this.#list.move(line, seq);
    }
    this.#list.changed();
  }

  drop(clientId: string): void {
    const line = this.#list.byKey.get(`c:${clientId}`);
    if (line?.id === undefined && line) this.#list.remove(line);
    this.#list.changed();
  }

  /** What the page shows at once, before the server has said it. */
  guess(id: string, change: Partial<Line>): () => void {
    const line = this.#list.byId.get(id);
    if (!line) return () => {};
    const before: Partial<Line> = {};
    for (const k of Object.keys(change) as (keyof Line)[]) Object.assign(before, { [k]: line[k] });
    Object.assign(line, change);
    return () => Object.assign(line, before);
  }

  /** The rows of the page; unreadAfter puts the unread line before the first message of others behind it. */
  rows(unreadAfter?: number): Row[] {
    return rowsOf(this.#list.all, unreadAfter, this.moreBefore);
  }

  // ----- messages

  #message(f: MessageFrame): Line | undefined {
    this.#list.head = Math.max(this.#list.head, f.seq);
    const isNew = !this.#list.byId.has(f.id);
    if (isNew) this.#countReply(f);
    if (this.moreAfter && isNew && !(f.client_id && this.#list.byKey.has(`c:${f.client_id}`))) {
      // It belongs behind what is shown, and comes with the history.
      if (f.turn_id) this.#turns.end(this.turn(f.turn_id), undefined, f.turn_id);
      return undefined;
    }
    const line = this.#store(ofFrame(f, this.#me), f.client_id && this.#list.byKey.has(`c:${f.client_id}`) ? `c:${f.client_id}` : `m:${f.id}`, f.turn_id);
    this.#list.changed();
    return isNew ? line : undefined;
  }

  #store(said: Partial<Line>, key: string, turnId: string | undefined): Line {
    const seq = said.seq!;
    this.#list.head = Math.max(this.#list.head, seq);
    let line = this.#list.byId.get(said.id!);
    const placeholder = turnId && this.turn(turnId)?.id === undefined ? this.turn(turnId) : this.#list.byKey.get(key);
    if (line && placeholder && placeholder !== line) this.#list.remove(placeholder);
    line ??= placeholder;
    const known = line !== undefined;
    line ??= this.#list.make(key, said.kind!, seq, said.at!);
    if (turnId) this.#turns.stored(turnId, line.turn?.attempt ?? 1);
    Object.assign(line, said, { seq: line.seq });
    line.turn = undefined;
    line.waiting = undefined;
    this.#list.byId.set(said.id!, line);
    if (!known) {
      line.seq = seq;
      this.#list.insert(line);
    } else this.#list.move(line, seq);
    return line;
  }

  #changed(f: Schemas["MessageState"]): void {
    const line = this.#list.byId.get(f.message_id);
    if (f.root_id && f.replies !== undefined) this.#setReplies(f.root_id, f.replies);
    for (const reply of this.#list.all) {
      if (reply.replyTo?.id !== f.message_id) continue;
      const { excerpt: _, state: __, ...rest } = reply.replyTo;
      reply.replyTo = f.state === "shown" ? { ...rest, excerpt: f.content.replace(/\s+/g, " ").slice(0, 140) } : { ...rest, state: f.state };
    }
    if (!line) return;
    line.state = f.state;
    line.text = f.content;
    line.edited = f.edited_at ? timeOf(f.edited_at) : undefined;
    line.files = f.files ?? [];
    line.mentions = f.mentions ?? [];
    if (f.state !== "shown") line.reactions = [];
  }

  #reacted(id: string, counts: (Schemas["ReactionCount"] & { mine?: boolean })[]): void {
    const line = this.#list.byId.get(id);
    if (!line) return;
    const mine = new Set(line.reactions.filter((r) => r.mine).map((r) => r.emoji));
    line.reactions = counts.map((c) => ({ emoji: c.emoji, count: c.count, mine: c.mine ?? mine.has(c.emoji) }));
  }

  #countReply(f: MessageFrame): void {
    if (f.reply_to && f.replies !== undefined) this.#setReplies(f.reply_to.id, f.replies, f.seq);
  }
  #setReplies(root: string, count: number, seq = 0): void {
    const line = this.#list.byId.get(root);
    if (line) line.replies = { count, lastSeq: Math.max(line.replies.lastSeq, seq) };
  }

  #notice(said: Said): Line | undefined {
    const key = `n:${said.key}`;
    const seq = said.seq ?? this.head;
    const known = this.#list.byKey.get(key);
    if (known) {
      known.notice = said.notice;
      return undefined;
    }
    if (this.moreAfter || seq < (this.stored()[0]?.seq ?? 0)) return undefined;
    const line = this.#list.make(key, "notice", seq, timeOf(said.timestamp));
    line.notice = said.notice;
    this.#list.insert(line);
    this.#list.changed();
    return line;
  }
}
