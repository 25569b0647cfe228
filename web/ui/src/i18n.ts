import { createI18n } from "vue-i18n";
import { speak } from "@/api/client";
import en from "@/locales/en.json";

/** The languages of the studio, by their codes, each by its own name. */
export const languages = { en: "English", "zh-TW": "繁體中文" } as const;
export type Language = keyof typeof languages;
type Texts = typeof en;

declare module "vue-i18n" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  export interface DefineLocaleMessage extends Texts {}
}

export const i18n = createI18n({ legacy: false, locale: "en", fallbackLocale: "en", messages: { en } as Record<string, Texts> });

/** The best of our languages for what the browser asks for. */
export function preferred(asked: readonly string[] = navigator.languages): Language {
  for (const tag of asked) {
    const lower = tag.toLowerCase();
    if (lower.startsWith("zh")) return "zh-TW";
    if (lower.startsWith("en")) return "en";
  }
  return "en";
}

/** Changes the language; the texts are loaded when they are first needed. */
export async function setLanguage(to: Language): Promise<void> {
  if (to === "zh-TW" && !i18n.global.availableLocales.includes("zh-TW")) {
    const texts = (await import("@/locales/zh-TW.json")).default as unknown as Texts;
    i18n.global.setLocaleMessage("zh-TW", texts);
  }
  i18n.global.locale.value = to;
  document.documentElement.lang = to === "zh-TW" ? "zh-Hant-TW" : "en";
  speak(to);
}
