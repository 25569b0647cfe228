import { onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import { GET, ok, type Schemas } from "@/api/client";
import { zoneName } from "@/parts/zone";
import { isEnough } from "./query";

export type Found = Schemas["FoundOut"];
interface Kept {
  results: Found[];
  next: string | null;
  isComplete: boolean;
  top: number; // how far the list was scrolled
}

const pause = 220; // between the last letter and the question
const pageSize = 30;
// What was found stays as it was for who comes back from a message.
const kept = new Map<string, Kept>();
const mostKept = 20;

/** A search as one types, in a room or in all of one's rooms. What was found stays until the next is there. */
export function useSearch(q: Ref<string>, room?: string) {
  const results = shallowRef<Found[]>();
  const next = ref<string | null>(null);
  const isComplete = ref(true); // the index has all messages
  const busy = ref(false);
  const failure = shallowRef<unknown>();
  const top = ref(0);
  let due: ReturnType<typeof setTimeout> | undefined;
  let times = 0;

  const keyOf = (words: string): string => `${room ?? ""} ${words}`;

  watch(q, (words) => {
    clearTimeout(due);
    failure.value = undefined;
    times++;
    if (!isEnough(words)) {
      busy.value = false;
      results.value = undefined;
      return;
    }
    busy.value = true;
    due = setTimeout(() => void ask(), pause);
  });

  async function ask(cursor?: string): Promise<void> {
    const words = q.value.trim();
    const mine = ++times;
    busy.value = true;
    failure.value = undefined;
    try {
      const found = await ok(GET("/api/v1/search", { params: { query: { q: words, tz: zoneName(), limit: pageSize, ...(room ? { room_id: room } : {}), ...(cursor ? { cursor } : {}) } } }));
      if (mine !== times) return;
      results.value = cursor ? [...(results.value ?? []), ...found.results] : found.results;
      next.value = found.next;
      isComplete.value = found.index.complete;
      if (!cursor) top.value = 0;
      keep(words);
    } catch (cause) {
      if (mine === times) failure.value = cause;
    } finally {
      if (mine === times) busy.value = false;
    }
  }

  function keep(words: string): void {
    if (kept.size >= mostKept) kept.delete(kept.keys().next().value!);
    kept.set(keyOf(words), { results: results.value ?? [], next: next.value, isComplete: isComplete.value, top: top.value });
  }

  function begin(): void {
    const known = kept.get(keyOf(q.value.trim()));
    if (known) {
      results.value = known.results;
      next.value = known.next;
      isComplete.value = known.isComplete;
      top.value = known.top;
    } else if (isEnough(q.value)) void ask();
  }
  begin();

  onScopeDispose(() => {
    clearTimeout(due);
    times++;
    if (results.value) keep(q.value.trim());
  });

  return { results, next, isComplete, busy, failure, top, again: () => ask(), more: () => (next.value && !busy.value ? ask(next.value) : undefined) };
}
