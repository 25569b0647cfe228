import type { Schemas } from "@/api/client";
import type { Agent } from "./draft";

type Template = Schemas["NewAgent"];

/** What a new agent takes of a template besides what its form shows. */
export function carried(agent: Agent): Pick<Template, "settings" | "schedule_config" | "capabilities" | "context_window"> {
  return {
    ...(agent.settings ? { settings: agent.settings } : {}),
    schedule_config: agent.schedule_config,
    capabilities: agent.capabilities,
    context_window: agent.context_window,
  };
}

/** All of an agent that its template keeps: no keys, and nothing of rooms. */
export function templateOf(agent: Agent, name: string): Template {
  return {
    ...carried(agent),
    type: agent.type,
    name: name.trim(),
    category: agent.category as NonNullable<Template["category"]>,
    system_prompt: agent.system_prompt ?? "",
    model_provider: agent.model_provider as NonNullable<Template["model_provider"]>,
    model: agent.model,
    trigger_config: agent.trigger_config,
  };
}
