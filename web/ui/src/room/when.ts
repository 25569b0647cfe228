import { computed } from "vue";
import { useI18n } from "vue-i18n";
import { dayOf, formatOf } from "@/parts/zone";

/** Times of messages in the reader's language and zone. */
export function useWhen() {
  const { locale, t } = useI18n();
  const clocks = computed(() => formatOf(locale.value, { hour: "numeric", minute: "2-digit" }));
  const fulls = computed(() => formatOf(locale.value, { dateStyle: "full", timeStyle: "medium" }));
  const soons = computed(() => formatOf(locale.value, { weekday: "short", hour: "numeric", minute: "2-digit" }));
  const days = computed(() => formatOf(locale.value, { weekday: "long", month: "long", day: "numeric" }));
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
  return { soon, clock: (at: number) => clocks.value.format(at), full: (at: number) => fulls.value.format(at), day };
}

/** A size in the units that people read. */
export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const unit = bytes < 1024 * 1024 ? "KB" : "MB";
  const n = bytes / (unit === "KB" ? 1024 : 1024 * 1024);
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
}
