import { computed, onMounted, onUnmounted, ref, type ComputedRef, type Ref } from "vue";
import { useRoute, useRouter, type LocationQuery } from "vue-router";

export type Beside = "thread" | "find";

/** What is open beside the talk is in the address: back closes it, a link opens it, and a reload keeps it. */
export function useBeside(): { thread: ComputedRef<number | undefined>; find: ComputedRef<string | undefined>; open: (what: Beside, value: string | number) => void; close: (what: Beside) => void } {
  const route = useRoute();
  const router = useRouter();
  const thread = computed(() => (/^\d+$/.test(String(route.query["thread"] ?? "")) ? Number(route.query["thread"]) : undefined));
  const find = computed(() => (typeof route.query["find"] === "string" ? route.query["find"] : undefined));

  const to = (query: LocationQuery) => ({ path: route.path, query });

  function open(what: Beside, value: string | number): void {
    const query = { ...route.query, [what]: String(value) };
    // What is open already only changes what it shows.
    if (route.query[what] === undefined) void router.push(to(query));
    else void router.replace(to(query));
  }

  function close(what: Beside): void {
    if (route.query[what] === undefined) return;
    const query = Object.fromEntries(Object.entries(route.query).filter(([key]) => key !== what));
    const before = router.resolve(to(query)).fullPath;
    if (history.state?.back === before) router.back();
    else void router.replace(to(query));
  }
  return { thread, find, open, close };
}

/** Whether a media query holds; it follows the window. */
export function useMedia(query: string): Ref<boolean> {
  const media = matchMedia(query);
  const is = ref(media.matches);
  const measure = (): void => void (is.value = media.matches);
  onMounted(() => media.addEventListener("change", measure));
  onUnmounted(() => media.removeEventListener("change", measure));
  return is;
}
