import { useI18n } from "vue-i18n";
import { Problem, unreachable } from "@/api/problem";

/** Gives words to what went wrong, in the reader's language. */
export function useFailure(): (cause: unknown) => string {
  const { t } = useI18n();
  return (cause) => {
    if (!(cause instanceof Problem)) return t("failed.inside");
    if (cause.code === unreachable) return t("failed.unreachable");
    return cause.status >= 500 && cause.requestId ? `${cause.message} (${t("failed.request", { id: cause.requestId })})` : cause.message;
  };
}
