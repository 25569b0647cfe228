import { useI18n } from "vue-i18n";

/** What an agent waits for, said by the tool that it wants to use. */
export function useWants(): (tool: string) => string {
  const { t, te } = useI18n();
  return (tool) => (te(`courses.wants.${tool}`) ? t(`courses.wants.${tool}`) : t("courses.wantsTo", { tool }));
}
