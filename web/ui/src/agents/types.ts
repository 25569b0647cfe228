import { useI18n } from "vue-i18n";
import type { Schemas } from "@/api/client";

export type AgentType = Schemas["AgentTypeOut"];

// Types of the program have words in both languages; those that people made have their own.
const known = ["teacher", "student", "design", "analytics", "external"];

/** The name and the sentence of a kind of agent. */
export function useKinds(): { kindName: (type: string, types?: AgentType[]) => string; kindText: (type: AgentType) => string } {
  const { t } = useI18n();
  return {
    kindName: (type, types) => (known.includes(type) ? t(`agents.kinds.${type}.name`) : (types?.find((one) => one.type_name === type)?.display_name ?? type)),
    kindText: (type) => (known.includes(type.type_name) ? t(`agents.kinds.${type.type_name}.text`) : (type.description ?? "")),
  };
}
