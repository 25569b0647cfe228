import { createI18n } from "vue-i18n";
import { speak } from "@/api/client";
import type en from "@/locales/en.json";

/** The languages of the studio, by their codes, each by its own name. */
export const languages = { en: "English", "zh-TW": "繁體中文" } as const;
export type Language = keyof typeof languages;
type Texts = typeof en;

declare module "vue-i18n" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  export interface DefineLocaleMessage extends Texts {}
}

export const i18n = createI18n({ legacy: false, locale: "en", messages: {} as Record<string, Texts> });

/** The best of our languages for what the browser asks for. */
export function preferred(asked: readonly string[] = navigator.languages): Language {
  for (const tag of asked) {
    const lower = tag.toLowerCase();
    if (lower.startsWith("zh")) return "zh-TW";
    if (lower.startsWith("en")) return "en";
  }
  return "en";
}

type Load = () => Promise<{ default: unknown }>;
let loads: Record<Language, Load>;

/** Says how texts are loaded. The entry does: an edit of a text then renames no file but theirs and its own. */
export function textsFrom(all: Record<Language, Load>): void {
  loads = all;
}

/** Changes the language; the texts are loaded when they are first needed. */
export async function setLanguage(to: Language): Promise<void> {
  if (!i18n.global.availableLocales.includes(to)) i18n.global.setLocaleMessage(to, (await loads[to]()).default as Texts);
  i18n.global.locale.value = to;
  document.documentElement.lang = to === "zh-TW" ? "zh-Hant-TW" : "en";
  speak(to);
}
