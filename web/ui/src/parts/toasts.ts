import { ref } from "vue";

/** A short word about what was done, with a way back where there is one. */
export interface Toast {
  id: number;
  text: string;
  kind: "done" | "failed";
  undo?: () => unknown;
  link?: { to: string; text: string };
}

export const toasts = ref<Toast[]>([]);
let last = 0;

// Long enough to read and to reach the button.
const shownFor = 8000;

export function toast(text: string, more: { kind?: Toast["kind"]; undo?: () => unknown; link?: Toast["link"] } = {}): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-2), { id, text, kind: more.kind ?? "done", ...(more.undo ? { undo: more.undo } : {}), ...(more.link ? { link: more.link } : {}) }];
  setTimeout(() => dismiss(id), shownFor);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((t) => t.id !== id);
}
