import { onScopeDispose, ref, watchEffect } from "vue";

/** What the open page is about, such as a course; a part of the page's title. */
export const subject = ref("");

export function useSubject(of: () => string | undefined): void {
  watchEffect(() => {
    subject.value = of() ?? "";
  });
  onScopeDispose(() => {
    subject.value = "";
  });
}
