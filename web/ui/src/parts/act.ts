import { ref, type Ref } from "vue";
import { useFailure } from "./failure";
import { toast } from "./toasts";

/** Does things that have no form: one at a time, and a failure is told in a toast. */
export function useAct(): { busy: Ref<boolean>; act: (what: () => Promise<unknown>) => Promise<boolean> } {
  const words = useFailure();
  const busy = ref(false);
  async function act(what: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    try {
      await what();
      return true;
    } catch (cause) {
      toast(words(cause), { kind: "failed" });
      return false;
    } finally {
      busy.value = false;
    }
  }
  return { busy, act };
}
