import { useI18n } from "vue-i18n";

const kinds = ["rooms", "messages", "members", "agents", "artifacts", "announcements", "workflows", "bots", "reports", "turns"] as const;

/** Says what goes along with something that is deleted; what there is none of is left out. */
export function useCounts(): (answer: unknown) => string[] {
  const { t } = useI18n();
  return (answer) => {
    const counts = typeof answer === "object" && answer !== null && "counts" in answer ? (answer.counts as Record<string, number>) : {};
    return kinds.filter((k) => (counts[k] ?? 0) > 0).map((k) => t(`courses.counts.${k}`, { n: counts[k] ?? 0 }, counts[k] ?? 0));
  };
}
