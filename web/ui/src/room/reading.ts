import { onScopeDispose, ref, watch, type Ref } from "vue";
import { ok, POST, PUT } from "@/api/client";
import { useRooms } from "@/live/rooms";
import type { Timeline } from "./timeline";

const readAfter = 400;

/** How far a person has read: what is seen at the end, with the window in front. */
export function makeReading(id: string, timeline: Timeline, loaded: Ref<boolean>) {
  const unreadAfter = ref<number>(); // where the unread line stands
  const unreadCount = ref(0); // as one came in
  const fresh = ref(0); // said since one has left the end
  let atEnd = true;
  let follows = true; // the page shows what comes, or the first line of an answer that grows
  let isMarked = false; // one wants it to be unread, until one leaves
  let readSeq = 0;
  const held = new Set<string>();
  let due: ReturnType<typeof setTimeout> | undefined;

  function begin(seq: number, unread: number): void {
    readSeq = seq;
    unreadCount.value = unread;
    if (unread > 0) unreadAfter.value = seq;
  }

  function seen(end: boolean, sticks: boolean): void {
    atEnd = end;
    follows = sticks;
    if (end) fresh.value = 0;
    read();
  }

  /** Something new; grown says that it is an answer which was there while it was written. */
  function said(grown: boolean): void {
    if (!atEnd && !(grown && follows)) fresh.value++;
    read();
  }

  /** Nothing counts as read meanwhile: what a search or a link shows is looked at, and not read up to. */
  function hold(why: string): void {
    held.add(why);
    clearTimeout(due);
  }
  function release(why: string): void {
    if (held.delete(why)) read();
  }

  function read(): void {
    clearTimeout(due);
    if (isMarked || held.size > 0 || !atEnd || !loaded.value || timeline.moreAfter || document.hidden || !document.hasFocus() || timeline.head <= readSeq) return;
    due = setTimeout(() => {
      const seq = timeline.head;
      readSeq = seq;
      ok(PUT("/api/v1/rooms/{room_id}/read", { params: { path: { room_id: id } }, body: { seq } })).catch(() => {
        readSeq = 0; // it is said again
      });
    }, readAfter);
  }

  /** All from a message on counts as unread, and nothing is read before one comes in again. */
  async function unreadFrom(seq: number): Promise<void> {
    clearTimeout(due);
    await ok(POST("/api/v1/rooms/{room_id}/unread", { params: { path: { room_id: id } }, body: { seq } }));
    setUnread(seq - 1);
  }

  function setUnread(seq: number): void {
    clearTimeout(due);
    isMarked = true;
    readSeq = seq;
    unreadAfter.value = seq;
  }

  // Another tab or device of the same person has read, or has taken that back.
  const rooms = useRooms();
  watch(
    () => rooms.byId.get(id)?.readSeq,
    (now, before) => {
      if (now === undefined || before === undefined) return;
      if (now < before) setUnread(now);
      else readSeq = Math.max(readSeq, now);
    },
  );
  addEventListener("focus", read);
  document.addEventListener("visibilitychange", read);

  onScopeDispose(() => {
    clearTimeout(due);
    removeEventListener("focus", read);
    document.removeEventListener("visibilitychange", read);
  });

  return { unreadAfter, unreadCount, fresh, begin, seen, said, unreadFrom, hold, release };
}
