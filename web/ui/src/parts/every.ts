import { onScopeDispose } from "vue";

/** Does something again and again while the page is seen, and at once when it is seen again after a while. */
export function useEvery(ms: number, what: () => unknown): void {
  let last = Date.now();
  const due = (): void => {
    if (document.visibilityState !== "visible" || Date.now() - last < ms / 2) return;
    last = Date.now();
    what();
  };
  const timer = setInterval(due, ms);
  document.addEventListener("visibilitychange", due);
  onScopeDispose(() => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", due);
  });
}
