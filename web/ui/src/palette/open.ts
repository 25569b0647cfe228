import { ref } from "vue";

/** Which of the two is open over the page. */
export const open = ref<"palette" | "shortcuts">();
export const openPalette = (): void => void (open.value = "palette");
export const openShortcuts = (): void => void (open.value = "shortcuts");
