import { computed, onScopeDispose, watch } from "vue";
import { useLive } from "@/live/live";
import { useRooms } from "@/live/rooms";
import { useEvery } from "@/parts/every";

// Many things happen at once: one reading is enough for all of them.
const together = 800;

/**
 * Reads a course again when the person's socket tells that something is different there: rooms
 * that came or went, agents at work, people who come and go, and what the person may do. What
 * no frame tells of, such as an announcement, is seen within half a minute.
 */
export function useNews(course: () => string, again: () => unknown): void {
  const rooms = useRooms();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      again();
    }, together);
  };
  const state = computed(() =>
    rooms.list
      .filter((r) => r.courseId === course())
      .map((r) => [r.id, r.name, r.online, ...r.working].join("\t"))
      .join("\n"),
  );
  watch(state, soon);
  const off = useLive().hearAll((frame) => {
    if (frame.type === "account" || frame.type === "room_gone" || frame.type === "unsubscribed" || (frame.type === "rooms" && frame.all)) soon();
  });
  useEvery(30_000, soon);
  onScopeDispose(() => {
    clearTimeout(timer);
    off();
  });
}
