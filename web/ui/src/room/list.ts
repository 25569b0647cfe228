import { blank, type Line } from "./line";

export const ofTurns = 1e15; // answers in the making stand behind all that is stored
export const ofWaiting = 2e15; // and one's own unsent lines behind them

export interface Hooks {
  /** Makes a line of which the page sees each change. */
  wrap?(line: Line): Line;
  /** The lines are others, or stand in another order. */
  changed?(): void;
}

/** Lines in their order, found by their keys and by the ids of their messages. */
export class LineList {
  readonly all: Line[] = [];
  readonly byKey = new Map<string, Line>();
  readonly byId = new Map<string, Line>();
  head = 0; // the newest message's seq
  #hooks: Hooks;
  #count = 0;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  /** A number that no line has had. */
  next(): number {
    return ++this.#count;
  }

  changed(): void {
    this.#hooks.changed?.();
  }

  turn(id: string): Line | undefined {
    return this.byKey.get(`t:${id}`);
  }

  stored(): Line[] {
    return this.all.filter((l) => l.id !== undefined && l.kind !== "notice");
  }

  make(key: string, kind: Line["kind"], seq: number, at: number): Line {
    const line = blank(key, kind, seq, at);
    return this.#hooks.wrap?.(line) ?? line;
  }

  insert(line: Line): void {
    let low = this.all.length;
    while (low > 0 && this.all[low - 1]!.seq > line.seq) low--;
    this.all.splice(low, 0, line);
    this.byKey.set(line.key, line);
  }

  move(line: Line, seq: number): void {
    if (line.seq === seq) return;
    const at = this.all.indexOf(line);
    if (at >= 0) this.all.splice(at, 1);
    line.seq = seq;
    this.insert(line);
  }

  remove(line: Line): void {
    const at = this.all.indexOf(line);
    if (at >= 0) this.all.splice(at, 1);
    this.byKey.delete(line.key);
    if (line.id !== undefined) this.byId.delete(line.id);
  }
}
