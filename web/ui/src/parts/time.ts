import { ref } from "vue";
import { useI18n } from "vue-i18n";

const now = ref(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 30_000);

/** Says how long ago something was, up to an hour; then the time, and before today the day. */
export function useAgo(): (at: string) => string {
  const { locale } = useI18n();
  return (at) => ago(new Date(at), new Date(now.value), locale.value);
}

export function ago(at: Date, to: Date, locale: string): string {
  const minutes = Math.floor((to.getTime() - at.getTime()) / 60_000);
  if (minutes < 60) return new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" }).format(-Math.max(minutes, 0), "minute");
  if (at.toDateString() === to.toDateString()) return new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" }).format(at);
  const sameYear = at.getFullYear() === to.getFullYear();
  return new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", ...(sameYear ? {} : { year: "numeric" }) }).format(at);
}
