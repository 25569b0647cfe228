import type { Schemas } from "@/api/client";
import { scheduleConfig, scheduleForm, type ScheduleForm } from "./schedule";
import { triggerConfig, triggerForm, type TriggerForm } from "./trigger";

export type Agent = Schemas["AgentOut"];
export type Changes = Schemas["UpdateAgentInBody"];

/** What a person changes of an agent before it is saved. */
export interface Draft {
  name: string;
  system_prompt: string;
  model_provider: string;
  model: string;
  capabilities: string[];
  is_active: boolean;
  context_window: number;
  temperature: number | null;
  max_tokens: number | null;
  pictures: "known" | "yes" | "no"; // whether its model is shown pictures
  user_key_ids: string[];
  review: boolean;
  revisions: number;
  trigger: TriggerForm;
  schedule: ScheduleForm;
}

export function draftOf(agent: Agent): Draft {
  return {
    name: agent.name,
    system_prompt: agent.system_prompt ?? "",
    model_provider: agent.model_provider,
    model: agent.model ?? "",
    capabilities: [...agent.capabilities].sort(),
    is_active: agent.is_active,
    context_window: agent.context_window,
    temperature: agent.settings?.temperature ?? null,
    max_tokens: agent.settings?.max_tokens ?? null,
    pictures: typeof agent.settings?.pictures === "boolean" ? (agent.settings.pictures ? "yes" : "no") : "known",
    user_key_ids: [...agent.user_key_ids],
    review: agent.settings?.review?.enabled ?? true,
    revisions: agent.settings?.review?.revisions ?? 1,
    trigger: triggerForm(agent.trigger_config),
    schedule: scheduleForm(agent.schedule_config),
  };
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What has to be sent for the draft, and nothing that did not change. */
export function changes(agent: Agent, draft: Draft): Changes {
  const was = draftOf(agent);
  const to: Changes = {};
  if (draft.name !== was.name) to.name = draft.name;
  if (draft.system_prompt !== was.system_prompt) to.system_prompt = draft.system_prompt;
  if (draft.model_provider !== was.model_provider) to.model_provider = draft.model_provider as NonNullable<Changes["model_provider"]>;
  if (draft.model !== was.model || draft.model_provider !== was.model_provider) to.model = draft.model || null;
  if (!same([...draft.capabilities].sort(), was.capabilities)) to.capabilities = [...draft.capabilities].sort();
  if (draft.is_active !== was.is_active) to.is_active = draft.is_active;
  if (draft.context_window !== was.context_window) to.context_window = draft.context_window;
  if (!same(triggerConfig(draft.trigger), triggerConfig(was.trigger))) to.trigger_config = triggerConfig(draft.trigger);
  if (!same(scheduleConfig(draft.schedule), scheduleConfig(was.schedule))) to.schedule_config = scheduleConfig(draft.schedule);
  if (!same(draft.user_key_ids, was.user_key_ids)) to.user_key_ids = [...draft.user_key_ids];
  const settings = settingsOf(agent, draft, was);
  if (settings) to.settings = settings;
  return to;
}

// The settings are sent as a whole, with what this page does not show.
function settingsOf(agent: Agent, draft: Draft, was: Draft): Schemas["AgentSettings"] | undefined {
  if (same([draft.temperature, draft.max_tokens, draft.pictures, draft.review, draft.revisions], [was.temperature, was.max_tokens, was.pictures, was.review, was.revisions])) return undefined;
  const settings: Schemas["AgentSettings"] = { ...agent.settings };
  if (draft.temperature === null) delete settings.temperature;
  else settings.temperature = draft.temperature;
  if (draft.max_tokens === null) delete settings.max_tokens;
  else settings.max_tokens = draft.max_tokens;
  if (draft.pictures === "known") delete settings.pictures;
  else settings.pictures = draft.pictures === "yes";
  if (draft.review !== was.review || draft.revisions !== was.revisions) settings.review = { ...settings.review, enabled: draft.review, revisions: draft.revisions };
  return settings;
}

/** What sets the agent back to how it was before the changes. */
export function undoOf(agent: Agent, sent: Changes): Changes {
  const back: Record<string, unknown> = {};
  for (const member of Object.keys(sent)) back[member] = agent[member as keyof Agent] ?? (member === "settings" ? {} : null);
  return back as Changes;
}
