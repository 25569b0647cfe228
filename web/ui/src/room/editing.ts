import { ref } from "vue";
import type { Line } from "./line";

/** The message that its author changes in its place. */
export function makeEditing(mine: () => Line | undefined) {
  const editing = ref<string>();
  const asksAgain = ref(false); // then the agents that have answered it are asked once more

  function edits(line: Line, again = false): void {
    asksAgain.value = again;
    editing.value = line.id;
  }
  /** Edits what one has said last, if it is there. */
  function editLast(): void {
    const last = mine();
    if (last) edits(last);
  }
  return { editing, asksAgain, edits, editLast };
}
