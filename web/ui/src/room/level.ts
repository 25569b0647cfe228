import { computed } from "vue";
import { ok, PUT, type Schemas } from "@/api/client";
import { useRooms } from "@/live/rooms";
import { toast } from "@/parts/toasts";

type Level = Schemas["MyMarksOut"]["notify"];

/** What the person is told of a room: null is as in the preferences. */
export function makeLevel(id: string, words: (cause: unknown) => string, t: (key: string) => string) {
  const rooms = useRooms();
  const level = computed<Level>(() => rooms.byId.get(id)?.notify ?? null);

  async function setLevel(to: Level): Promise<void> {
    const before = level.value;
    rooms.setNotify(id, to);
    try {
      await ok(PUT("/api/v1/users/me/rooms/{room_id}", { params: { path: { room_id: id } }, body: { notify: to } }));
      toast(t(`room.notified.${to ?? "as"}`), { undo: () => setLevel(before) });
    } catch (cause) {
      rooms.setNotify(id, before);
      toast(words(cause), { kind: "failed" });
    }
  }

  /** Makes the room silent, or as in the preferences again. */
  const toggleMute = (): Promise<void> => setLevel(level.value === "none" ? null : "none");
  return { level, setLevel, toggleMute };
}
