import { blank, ofFrame, ofHistory, timeOf, type Doing, type Line, type LineOut, type MessageFrame, type Notice, type RoomFrame, type TurnFrame } from "./line";
import type { Waiting } from "./outbox";
import type { Schemas } from "@/api/client";

const ofTurns = 1e15; // answers in the making stand behind all that is stored
const ofWaiting = 2e15; // and one's own unsent lines behind them
const togetherFor = 5 * 60_000;

/** What is shown, from the top to the end. */
export type Row = { key: string; type: "day"; at: number } | { key: string; type: "unread" } | { key: string; type: "line"; line: Line; joined: boolean };

export interface Hooks {
  /** Makes a line of which the page sees each change. */
  wrap?(line: Line): Line;
  /** The lines are others, or stand in another order. */
  changed?(): void;
}

/** All that is said in a room, in its order, from the history and from frames that may come twice, late or not at all. */
export class Timeline {
  moreBefore = false;
  moreAfter = false; // what is shown ends before the newest
  head = 0; // the newest message's seq
  #me: string;
  #hooks: Hooks;
  #lines: Line[] = [];
  #byKey = new Map<string, Line>();
  #byId = new Map<string, Line>();
  #over = new Map<string, number>(); // turn -> the last attempt that is over
  #count = 0;

  constructor(me: string, hooks: Hooks = {}) {
    this.#me = me;
    this.#hooks = hooks;
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }
  byId(id: string): Line | undefined {
    return this.#byId.get(id);
  }
  turn(id: string): Line | undefined {
    return this.#byKey.get(`t:${id}`);
  }
  stored(): Line[] {
    return this.#lines.filter((l) => l.id !== undefined && l.kind !== "notice");
  }
  /** The answers that are being written or wait for somebody. */
  get live(): Line[] {
    return this.#lines.filter((l) => l.turn?.live);
  }

  /** Shows a page of the history in place of what is stored here; answers and unsent lines stay. */
  replace(page: { messages: LineOut[]; more_before: boolean; more_after: boolean }): void {
    for (const line of [...this.#lines]) if (line.seq < ofTurns) this.#remove(line);
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
    this.#hooks.changed?.();
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
        this.#reacted(f.message_id, f.reactions);
        return undefined;
      case "react":
        this.#reacted(f.message_id, f.reactions);
        return undefined;
      case "turn":
        return this.#turn(f);
      case "delta":
        this.#delta(f);
        return undefined;
      case "workflow":
        this.#does(f.turn_id, f.state === "finished" ? "thinking" : f.node_type === "tool" ? "tool" : undefined, f.state === "finished" ? "" : f.node);
        return undefined;
      case "a2a_trace":
        this.#does(f.turn_id, ({ PROPOSAL: "drafting", EVAL_REQUEST: "review", REVISION: "revising", DENIED: "revising" } as Record<string, Doing>)[f.metadata.event_type] ?? "thinking", "");
        return undefined;
      case "joined":
        for (const line of this.#lines) if (line.turn) line.turn.heard = false;
        return undefined;
      case "approval":
        return this.#notice(`approval:${f.step_id}`, f, { kind: "approval", stepId: f.step_id, agent: f.agent_name, summary: f.summary ?? f.name, state: f.state, by: f.decided_by ?? "" });
      case "guard":
        if (f.state === "stopped") return this.#notice(`guard:${f.seq}`, f, { kind: "guard", guard: f.guard, agents: f.agents ?? [], open: true });
        for (const line of this.#lines) if (line.notice?.kind === "guard") line.notice = { ...line.notice, open: false };
        return undefined;
      case "budget":
        return this.#notice(`budget:${f.seq}`, f, { kind: "budget", state: f.state, renews: f.renews_at ? timeOf(f.renews_at) : undefined, detail: f.detail ?? "" });
      case "archived":
        return this.#notice(`archived:${f.seq}`, f, { kind: "archived", archived: f.archived });
      case "system":
        return f.content ? this.#notice(`system:${"seq" in f ? String(f.seq) : ++this.#count}`, { seq: "seq" in f ? Number(f.seq) : this.head, timestamp: f.timestamp }, { kind: "said", text: f.content }) : undefined;
    }
    return undefined;
  }

  /** Ends the answers that the server has not named since the connection is back. */
  prune(): void {
    for (const line of this.live) if (!line.turn!.heard) this.#endTurn(line, line.turn!.attempt);
  }

  /** Shows one's own line that the server does not have yet. */
  waiting(w: Waiting, me: { name: string }): Line {
    const key = `c:${w.client_id}`;
    let line = this.#byKey.get(key);
    if (!line) {
      line = this.#make(key, "person", ofWaiting + ++this.#count, w.at);
      line.own = true;
      line.name = me.name;
      line.senderId = this.#me;
      this.#insert(line);
    }
    if (line.id !== undefined) return line;
    line.text = w.text;
    line.files = w.files ?? [];
    line.replyTo = w.reply;
    line.waiting = { ...w };
    this.#hooks.changed?.();
    return line;
  }

  /** The server has stored a line; its frame may come later. */
  acked(clientId: string, id: string, seq: number): void {
    const line = this.#byKey.get(`c:${clientId}`);
    if (!line || line.id !== undefined) return;
    if (this.#byId.has(id)) this.#remove(line);
    else {
      line.waiting = undefined;
      line.id = id;
      this.#byId.set(id, line);
      this.head = Math.max(this.head, seq);
      this.#move(line, seq);
    }
    this.#hooks.changed?.();
  }

  drop(clientId: string): void {
    const line = this.#byKey.get(`c:${clientId}`);
    if (line?.id === undefined && line) this.#remove(line);
    this.#hooks.changed?.();
  }

  /** What the page shows at once, before the server has said it. */
  guess(id: string, change: Partial<Line>): () => void {
    const line = this.#byId.get(id);
    if (!line) return () => {};
    const before: Partial<Line> = {};
    for (const k of Object.keys(change) as (keyof Line)[]) Object.assign(before, { [k]: line[k] });
    Object.assign(line, change);
    return () => Object.assign(line, before);
  }

  /** The rows of the page; unreadAfter puts the unread line before the first message of others behind it. */
  rows(unreadAfter?: number): Row[] {
    const rows: Row[] = [];
    const days = new Set<string>();
    let previous: Line | undefined;
    let marked = unreadAfter === undefined;
    for (const line of this.#lines) {
      const day = new Date(line.at).toDateString();
      const sameDay = previous !== undefined && new Date(previous.at).toDateString() === day;
      if (!sameDay) rows.push({ key: days.has(day) ? `day:${line.key}` : `day:${day}`, type: "day", at: line.at });
      days.add(day);
      let first = false;
      if (!marked && line.seq > unreadAfter! && line.seq < ofTurns && line.kind !== "notice" && !line.own) {
        rows.push({ key: "unread", type: "unread" });
        marked = first = true;
      }
      const joined =
        sameDay && !first && line.kind !== "notice" && previous!.kind === line.kind && previous!.senderId === line.senderId && !line.replyTo && line.at - previous!.at < togetherFor;
      rows.push({ key: line.key, type: "line", line, joined });
      previous = line;
    }
    return rows;
  }

  // ----- messages

  #message(f: MessageFrame): Line | undefined {
    this.head = Math.max(this.head, f.seq);
    const isNew = !this.#byId.has(f.id);
    if (isNew) this.#countReply(f);
    if (this.moreAfter && isNew && !(f.client_id && this.#byKey.has(`c:${f.client_id}`))) {
      // It belongs behind what is shown, and comes with the history.
      if (f.turn_id) this.#endTurn(this.turn(f.turn_id), undefined, f.turn_id);
      return undefined;
    }
    const line = this.#store(ofFrame(f, this.#me), f.client_id && this.#byKey.has(`c:${f.client_id}`) ? `c:${f.client_id}` : `m:${f.id}`, f.turn_id);
    this.#hooks.changed?.();
    return isNew ? line : undefined;
  }

  #store(said: Partial<Line>, key: string, turnId: string | undefined): Line {
    const seq = said.seq!;
    this.head = Math.max(this.head, seq);
    let line = this.#byId.get(said.id!);
    const placeholder = turnId && this.turn(turnId)?.id === undefined ? this.turn(turnId) : this.#byKey.get(key);
    if (line && placeholder && placeholder !== line) this.#remove(placeholder);
    line ??= placeholder;
    const known = line !== undefined;
    line ??= this.#make(key, said.kind!, seq, said.at!);
    if (turnId) {
      const turn = line.turn;
      this.#over.set(turnId, Math.max(this.#over.get(turnId) ?? 0, turn?.attempt ?? 1));
    }
    Object.assign(line, said, { seq: line.seq });
    line.turn = undefined;
    line.waiting = undefined;
    this.#byId.set(said.id!, line);
    if (!known) {
      line.seq = seq;
      this.#insert(line);
    } else this.#move(line, seq);
    return line;
  }

  #changed(f: Schemas["MessageState"]): void {
    const line = this.#byId.get(f.message_id);
    if (f.root_id && f.replies !== undefined) this.#setReplies(f.root_id, f.replies);
    for (const reply of this.#lines) {
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
    const line = this.#byId.get(id);
    if (!line) return;
    const mine = new Set(line.reactions.filter((r) => r.mine).map((r) => r.emoji));
    line.reactions = counts.map((c) => ({ emoji: c.emoji, count: c.count, mine: c.mine ?? mine.has(c.emoji) }));
  }

  #countReply(f: MessageFrame): void {
    if (f.reply_to && f.replies !== undefined) this.#setReplies(f.reply_to.id, f.replies, f.seq);
  }
  #setReplies(root: string, count: number, seq = 0): void {
    const line = this.#byId.get(root);
    if (line) line.replies = { count, lastSeq: Math.max(line.replies.lastSeq, seq) };
  }

  // ----- answers in the making

  #isOver(id: string, attempt: number): boolean {
    return attempt <= (this.#over.get(id) ?? 0);
  }

  #turnLine(id: string, agentId: string | undefined, name: string | undefined, attempt: number, at: number): Line {
    let line = this.turn(id);
    if (!line || line.turn === undefined) {
      if (line) this.#remove(line);
      line = this.#make(`t:${id}`, "agent", ofTurns + ++this.#count, at);
      line.turn = { id, agentId: "", attempt, doing: "thinking", what: "", live: true, heard: true, reason: "", detail: "", rootId: undefined, end: 0 };
      this.#insert(line);
      this.#hooks.changed?.();
    }
    const turn = line.turn!;
    if (line.seq < ofTurns) {
      // It had ended, and goes on.
      this.#move(line, ofTurns + ++this.#count);
      this.#hooks.changed?.();
    }
    if (agentId) line.senderId = turn.agentId = agentId;
    if (name) line.name = name;
    if (attempt > turn.attempt) {
      turn.attempt = attempt;
      turn.end = 0;
      line.text = "";
    }
    turn.live = true;
    turn.heard = true;
    return line;
  }

  #turn(f: TurnFrame): Line | undefined {
    if (this.#isOver(f.turn_id, f.attempt)) return undefined;
    const at = timeOf(f.timestamp);
    if (f.state === "finished") {
      const line = this.turn(f.turn_id);
      // As a signal it may overtake the stored message, which says it better; as a durable
      // event it says that there is none.
      if (f.seq === undefined && line?.text) line.turn = { ...line.turn!, heard: false };
      else this.#endTurn(line, f.attempt, f.turn_id);
      return undefined;
    }
    const line = this.#turnLine(f.turn_id, f.agent_id, f.agent_name, f.attempt, at);
    if (f.attempt < line.turn!.attempt) return undefined;
    const turn = { ...line.turn!, rootId: f.root_id, reason: f.reason ?? "", detail: f.detail ?? "" };
    if (f.state === "started" || f.state === "retrying") {
      turn.doing = f.state === "retrying" ? "retrying" : line.text ? "writing" : "thinking";
      line.turn = turn;
      if (f.text !== undefined) this.#add(line, f.attempt, f.offset ?? 0, f.text);
      return undefined;
    }
    turn.doing = f.state === "parked" ? (f.reason === "paused" || f.reason === "approval" ? f.reason : "parked") : f.state;
    turn.live = f.state === "parked";
    line.turn = turn;
    if (f.state === "parked") return undefined; // its text comes again later
    line.at = at;
    this.#over.set(f.turn_id, f.attempt);
    // A signal names no place: it stays behind what is there.
    this.#move(line, f.seq ?? this.head + 0.5);
    this.#hooks.changed?.();
    return line;
  }

  #delta(f: { turn_id: string; attempt: number; offset: number; text: string }): void {
    if (this.#isOver(f.turn_id, f.attempt)) return;
    this.#add(this.#turnLine(f.turn_id, undefined, undefined, f.attempt, Date.now()), f.attempt, f.offset, f.text);
  }

  #add(line: Line, attempt: number, offset: number, text: string): void {
    const turn = line.turn!;
    if (attempt < turn.attempt) return;
    const known = Math.max(0, turn.end - offset);
    if (known >= text.length) return;
    // Signals are best effort; the stored message replaces what is shown.
    line.text += (offset > turn.end ? "…" : "") + text.slice(known);
    turn.end = offset + text.length;
    if (turn.doing !== "writing") line.turn = { ...turn, doing: "writing" };
  }

  #does(id: string, doing: Doing | undefined, what: string): void {
    const line = this.turn(id);
    if (!line?.turn?.live || doing === undefined || line.text) return;
    line.turn = { ...line.turn, doing, what };
  }

  #endTurn(line: Line | undefined, attempt: number | undefined, id = line?.turn?.id): void {
    if (id) this.#over.set(id, Math.max(this.#over.get(id) ?? 0, attempt ?? line?.turn?.attempt ?? 1));
    if (line && line.id === undefined) {
      this.#remove(line);
      this.#hooks.changed?.();
    }
  }

  // ----- notices

  #notice(key: string, f: { seq: number; timestamp: string }, notice: Notice): Line | undefined {
    const known = this.#byKey.get(`n:${key}`);
    if (known) {
      known.notice = notice;
      return undefined;
    }
    if (this.moreAfter || f.seq < (this.stored()[0]?.seq ?? 0)) return undefined;
    const line = this.#make(`n:${key}`, "notice", f.seq, timeOf(f.timestamp));
    line.notice = notice;
    this.#insert(line);
    this.#hooks.changed?.();
    return line;
  }

  // ----- the list

  #make(key: string, kind: Line["kind"], seq: number, at: number): Line {
    const line = blank(key, kind, seq, at);
    return this.#hooks.wrap?.(line) ?? line;
  }

  #insert(line: Line): void {
    let low = this.#lines.length;
    while (low > 0 && this.#lines[low - 1]!.seq > line.seq) low--;
    this.#lines.splice(low, 0, line);
    this.#byKey.set(line.key, line);
  }

  #move(line: Line, seq: number): void {
    if (line.seq === seq) return;
    const at = this.#lines.indexOf(line);
    if (at >= 0) this.#lines.splice(at, 1);
    line.seq = seq;
    this.#insert(line);
  }

  #remove(line: Line): void {
    const at = this.#lines.indexOf(line);
    if (at >= 0) this.#lines.splice(at, 1);
    this.#byKey.delete(line.key);
    if (line.id !== undefined) this.#byId.delete(line.id);
  }
}
