import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";

export interface Loading<T> {
  data: ShallowRef<T | undefined>;
  failure: Ref<unknown>;
  /** True when it takes so long that the shape of what comes shall be shown. */
  slow: Ref<boolean>;
  again: () => Promise<void>;
}

/** Reads what a page shows, at first and whenever the key changes; only the newest answer counts. */
export function useLoad<T>(read: () => Promise<T>, key: () => unknown = () => 0): Loading<T> {
  const data = shallowRef<T>();
  const failure = ref<unknown>();
  const slow = ref(false);
  let round = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function again(): Promise<void> {
    const mine = ++round;
    failure.value = undefined;
    clearTimeout(timer);
    timer = setTimeout(() => (slow.value = data.value === undefined && mine === round), 150);
    try {
      const found = await read();
      if (mine === round) data.value = found;
    } catch (cause) {
      if (mine === round) failure.value = cause;
    } finally {
      if (mine === round) {
        clearTimeout(timer);
        slow.value = false;
      }
    }
  }

  watch(
    key,
    () => {
      data.value = undefined;
      void again();
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    round++;
    clearTimeout(timer);
  });
  return { data, failure, slow, again };
}
