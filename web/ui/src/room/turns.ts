import { timeOf, waitsFor, type Doing, type Line, type TurnFrame } from "./line";
import { ofTurns, type LineList } from "./list";

/** Answers in the making: each is one line, from "is thinking" to its stored message or its end. */
export class Turns {
  #list: LineList;
  #over = new Map<string, number>(); // turn -> the last attempt that is over

  constructor(list: LineList) {
    this.#list = list;
  }

  /** The answers that are being written or wait for somebody. */
  get live(): Line[] {
    return this.#list.all.filter((l) => l.turn?.live);
  }

  /** Ends the answers that the server has not named since the connection is back. */
  prune(): void {
    for (const line of this.live) if (!line.turn!.heard) this.end(line, line.turn!.attempt);
  }

  /** The connection is back: what still runs is named again. */
  forget(): void {
    for (const line of this.#list.all) if (line.turn) line.turn.heard = false;
  }

  /** The message of a turn is stored: nothing that comes late may begin it again. */
  stored(id: string, attempt: number): void {
    this.#over.set(id, Math.max(this.#over.get(id) ?? 0, attempt));
  }

  #isOver(id: string, attempt: number): boolean {
    return attempt <= (this.#over.get(id) ?? 0);
  }

  #turnLine(id: string, agentId: string | undefined, name: string | undefined, attempt: number, at: number): Line {
    let line = this.#list.turn(id);
    if (!line || line.turn === undefined) {
      if (line) this.#list.remove(line);
      line = this.#list.make(`t:${id}`, "agent", ofTurns + this.#list.next(), at);
      line.turn = { id, agentId: "", attempt, doing: "thinking", what: "", live: true, heard: true, reason: "", detail: "", rootId: undefined, end: 0 };
      this.#list.insert(line);
      this.#list.changed();
    }
    const turn = line.turn!;
    if (line.seq < ofTurns) {
      // It had ended, and goes on.
      this.#list.move(line, ofTurns + this.#list.next());
      this.#list.changed();
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

  /** Takes what the server says of a turn. It returns the line that is new by it. */
  take(f: TurnFrame): Line | undefined {
    if (this.#isOver(f.turn_id, f.attempt)) return undefined;
    const at = timeOf(f.timestamp);
    if (f.state === "finished") {
      const line = this.#list.turn(f.turn_id);
      // As a signal it may overtake the stored message, which says it better; as a durable
      // event it says that there is none.
      if (f.seq === undefined && line?.text) line.turn = { ...line.turn!, heard: false };
      else this.end(line, f.attempt, f.turn_id);
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
    turn.doing = f.state === "parked" ? waitsFor(f.reason) : f.state;
    turn.live = f.state === "parked";
    line.turn = turn;
    if (f.state === "parked") return undefined; // its text comes again later
    line.at = at;
    this.#over.set(f.turn_id, f.attempt);
    // A signal names no place: it stays behind what is there.
    this.#list.move(line, f.seq ?? this.#list.head + 0.5);
    this.#list.changed();
    return line;
  }

  delta(f: { turn_id: string; attempt: number; offset: number; text: string }): void {
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

  does(id: string, doing: Doing | undefined, what: string): void {
    const line = this.#list.turn(id);
    if (!line?.turn?.live || doing === undefined || line.text) return;
    line.turn = { ...line.turn, doing, what };
  }

  end(line: Line | undefined, attempt: number | undefined, id = line?.turn?.id): void {
    if (id) this.#over.set(id, Math.max(this.#over.get(id) ?? 0, attempt ?? line?.turn?.attempt ?? 1));
    if (line && line.id === undefined) {
      this.#list.remove(line);
      this.#list.changed();
    }
  }
}
