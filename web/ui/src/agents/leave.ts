import { ref, type Ref } from "vue";
import { onBeforeRouteLeave, onBeforeRouteUpdate } from "vue-router";

export type Answer = "stay" | "leave" | "save";

/** Asks before what was not saved is left behind. A reload needs no question: it is kept. */
export function useLeave(dirty: () => boolean, save: () => Promise<boolean>, drop: () => void): { asking: Ref<boolean>; answer: (to: Answer) => void } {
  const asking = ref(false);
  let settle: ((to: Answer) => void) | undefined;

  async function guard(): Promise<boolean> {
    if (!dirty()) return true;
    settle?.("stay");
    asking.value = true;
    const to = await new Promise<Answer>((resolve) => (settle = resolve));
    asking.value = false;
    if (to === "leave") drop();
    return to === "leave" || (to === "save" && (await save()));
  }
  // Another part of the same page keeps what was written.
  onBeforeRouteUpdate((to, from) => (to.path === from.path ? true : guard()));
  onBeforeRouteLeave(guard);

  return {
    asking,
    answer(to) {
      settle?.(to);
      settle = undefined;
    },
  };
}
