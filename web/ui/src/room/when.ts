import { computed } from "vue";
import { useI18n } from "vue-i18n";
import { isRecent, now } from "@/parts/time";
import { dayOf, formatOf } from "@/parts/zone";

/** Times of messages in the reader's language and zone. */
export function useWhen() {
  const { locale, t } = useI18n();
  const clocks = computed(() => formatOf(locale.value, { hour: "numeric", minute: "2-digit" }));
  const fulls = computed(() => formatOf(locale.value, { dateStyle: "full", timeStyle: "medium" }));
  const soons = computed(() => formatOf(locale.value, { weekday: "short", hour: "numeric", minute: "2-digit" }));
  const days = computed(() => formatOf(locale.value, { weekday: "long", month: "long", day: "numeric" }));
  const weekdays = computed(() => formatOf(locale.value, { weekday: "long" }));
  const agos = computed(() => new Intl.RelativeTimeFormat(locale.value, { numeric: "auto", style: "short" }));
  const olds = computed(() => formatOf(locale.value, { year: "numeric", month: "long", day: "numeric" }));

  function day(at: number): string {
    const now = Date.now();
    const date = dayOf(at);
    if (date === dayOf(now)) return t("room.today");
    if (date === dayOf(now - 86_400_000)) return t("room.yesterday");
    return (date.slice(0, 4) === dayOf(now).slice(0, 4) ? days : olds).value.format(at);
  }
  /** A day and a time, as short as they can be said. */
  const soon = (at: number): string => (dayOf(at) === dayOf(Date.now()) ? clocks : soons).value.format(at);
  /** How long ago it was, up to an hour, and then the time. Only what is recent is told anew as time goes by. */
  function near(at: number): string {
    if (!isRecent(at, Date.now())) return clocks.value.format(at);
    const minutes = Math.floor((Math.max(now.value, Date.now()) - at) / 60_000);
    return minutes < 1 ? agos.value.format(0, "second") : agos.value.format(-minutes, "minute");
  }
  /** A time of today, a day of this week, or a date. */
  function since(at: number): string {
    const today = Date.now();
    if (dayOf(at) === dayOf(today)) return clocks.value.format(at);
    return today - at < 6 * 86_400_000 ? weekdays.value.format(at) : (dayOf(at).slice(0, 4) === dayOf(today).slice(0, 4) ? days : olds).value.format(at);
  }
  return { soon, near, since, clock: (at: number) => clocks.value.format(at), full: (at: number) => fulls.value.format(at), day };
}

/** A size in the units that people read. */
export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const unit = bytes < 1024 * 1024 ? "KB" : "MB";
  const n = bytes / (unit === "KB" ? 1024 : 1024 * 1024);
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
}
