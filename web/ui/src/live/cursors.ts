import type { Frame } from "./wire";

export interface Followed {
  room_id: string;
  after?: number;
  absent?: boolean;
}

/** The rooms that are followed, and how far each has come. */
export class Cursors {
  #rooms = new Map<string, Followed>();

  get all(): Followed[] {
    return [...this.#rooms.values()];
  }
  get(room: string): Followed | undefined {
    return this.#rooms.get(room);
  }
  add(room: Followed): void {
    this.#rooms.set(room.room_id, { ...room });
  }
  remove(room: string): boolean {
    return this.#rooms.delete(room);
  }

  /** Takes what a frame says of its room. It returns the room where it must be followed anew. */
  take(frame: Frame): Followed | undefined {
    const room = "room_id" in frame && frame.room_id ? this.#rooms.get(frame.room_id) : undefined;
    if (!room) return undefined;
    // An ack may overtake what came before it.
    if (frame.type === "joined") room.after ??= frame.head;
    else if (frame.type === "resync") room.after = frame.after;
    else if (frame.type !== "ack" && frame.type !== "mention" && "seq" in frame && typeof frame.seq === "number") room.after = Math.max(room.after ?? 0, frame.seq);
    if (frame.type !== "unsubscribed") return undefined;
    if (frame.reason === "role_changed") return room;
    if (frame.reason === "not_member") this.#rooms.delete(room.room_id);
    return undefined;
  }
}
