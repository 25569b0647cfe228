import { ref, type Ref } from "vue";
import { ok, PUT } from "@/api/client";
import type { Timeline } from "./timeline";

const readAfter = 400;

/** How far a person has read: what is seen at the end, with the window in front. */
export function makeReading(id: string, timeline: Timeline, loaded: Ref<boolean>) {
  const unreadAfter = ref<number>(); // where the unread line stands
  const unreadCount = ref(0);
  const fresh = ref(0); // said since one has left the end
  let atEnd = true;
  let readSeq = 0;
  let due: ReturnType<typeof setTimeout> | undefined;

  function begin(seq: number, unread: number): void {
    readSeq = seq;
    unreadCount.value = unread;
    if (unread > 0) unreadAfter.value = seq;
  }

  function seen(end: boolean): void {
    atEnd = end;
    if (end) fresh.value = 0;
    read();
  }

  function said(): void {
    if (!atEnd) fresh.value++;
    read();
  }

  function read(): void {
    clearTimeout(due);
    if (!atEnd || !loaded.value || timeline.moreAfter || document.hidden || !document.hasFocus() || timeline.head <= readSeq) return;
    due = setTimeout(() => {
      const seq = timeline.head;
      readSeq = seq;
      unreadCount.value = 0;
      ok(PUT("/api/v1/rooms/{room_id}/read", { params: { path: { room_id: id } }, body: { seq } })).catch(() => {
        readSeq = 0; // it is said again
      });
    }, readAfter);
  }
  addEventListener("focus", read);
  document.addEventListener("visibilitychange", read);

  function close(): void {
    clearTimeout(due);
    removeEventListener("focus", read);
    document.removeEventListener("visibilitychange", read);
  }

  return { unreadAfter, unreadCount, fresh, begin, seen, said, close };
}
