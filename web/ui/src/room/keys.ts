import { onMounted, onUnmounted } from "vue";
import type { Room } from "./room";
import { twice } from "./twice";
import { isComposed } from "./typing";

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** The keys of a room, wherever on its page the focus is: / searches, M makes it silent, Escape twice stops what is being answered. */
export function useRoomKeys({ room, isFree, find }: { room: Room; isFree: () => boolean; find: () => void }): void {
  const isTwice = twice();
  function key(event: KeyboardEvent): void {
    if (isComposed(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // One Escape may have closed something; the second one counts all the same.
    if (event.key === "Escape") {
      if (!isTwice(event.timeStamp) || !room.mayStop()) return;
      for (const line of room.answering.value) void room.stop(line.turn!.id);
      return;
    }
    if (event.defaultPrevented || isTyping(event.target) || !isFree()) return;
    if (event.key === "/") find();
    else if (event.key === "m") void room.toggleMute();
    else if (event.key === "j" || event.key === "k") document.querySelector<HTMLElement>("[role=log] [data-key][tabindex='0']")?.focus();
    else return;
    event.preventDefault();
  }
  onMounted(() => document.addEventListener("keydown", key));
  onUnmounted(() => document.removeEventListener("keydown", key));
}
