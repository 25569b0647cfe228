import { ref } from "vue";

export type Theme = "system" | "light" | "dark";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** What the person chose; "system" follows the device. */
export const theme = ref<Theme>("system");

function show(): void {
  const isDark = theme.value === "dark" || (theme.value === "system" && dark.matches);
  document.documentElement.dataset["theme"] = isDark ? "coagent-dark" : "coagent-light";
}

export function setTheme(to: Theme): void {
  theme.value = to;
  show();
}

dark.addEventListener("change", show);
show();
