import { ref } from "vue";
import { useI18n } from "vue-i18n";
import { dayOf, formatOf } from "./zone";

/** The present, as far as a page that says how long ago something was has to know it. */
export const now = ref(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 30_000);

/** Says how long ago something was, up to an hour; then the time, and before today the day. */
export function useAgo(): (at: string) => string {
  const { locale } = useI18n();
  return (at) => ago(new Date(at), new Date(now.value), locale.value);
}

/** Whether so little time has passed that it is said in minutes. */
export const isRecent = (at: number, to: number): boolean => to - at < 3_600_000;

export function ago(at: Date, to: Date, locale: string): string {
  const minutes = Math.floor((to.getTime() - at.getTime()) / 60_000);
  const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
  if (minutes < 1) return words.format(0, "second"); // "now" and not "this minute"
  if (minutes < 60) return words.format(-minutes, "minute");
  if (dayOf(at.getTime()) === dayOf(to.getTime())) return formatOf(locale, { hour: "numeric", minute: "2-digit" }).format(at);
  const sameYear = dayOf(at.getTime()).slice(0, 4) === dayOf(to.getTime()).slice(0, 4);
  return formatOf(locale, { month: "short", day: "numeric", ...(sameYear ? {} : { year: "numeric" }) }).format(at);
}
