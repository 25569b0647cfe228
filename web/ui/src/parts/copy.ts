import { useI18n } from "vue-i18n";
import { toast } from "./toasts";

/** Copies a text. The clipboard of the browser is absent where a class uses plain http. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "fixed opacity-0";
    // Inside an open dialog all else cannot be chosen.
    const place = document.querySelector("dialog[open]") ?? document.body;
    const before = document.activeElement;
    place.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }
}

/** Copies and says so. */
export function useCopy(): (text: string) => Promise<void> {
  const { t } = useI18n();
  return async (text) => {
    if (await copyText(text)) toast(t("do.copied"));
    else toast(t("failed.copy"), { kind: "failed" });
  };
}
