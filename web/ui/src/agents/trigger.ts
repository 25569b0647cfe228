import type { Schemas } from "@/api/client";

export type TriggerConfig = Schemas["TriggerConfig"];
type Conditions = Schemas["ConditionTrigger"];
type Simple = Schemas["SimpleTrigger"];

/** When an agent speaks without being called, as a person sets it. */
export interface TriggerForm {
  /** "inherit" only in a room: as the agent itself has it. */
  kind: "inherit" | "called" | "chance" | "count" | "interval" | "silence" | "several";
  count: number; // messages
  seconds: number; // of an interval or a silence
  several: SeveralForm;
}

/** Several conditions, and what else their form has. */
export interface SeveralForm {
  all: boolean; // must all hold, or is one enough?
  byCount: boolean;
  count: number;
  byMinutes: boolean;
  minutes: number;
  bySilence: boolean;
  silent: number; // minutes
  sleeps: "none" | "agent_monologue" | "user_timeout";
  monologue: number;
  timeout: number; // minutes
  reads: "" | "all" | "last_n"; // "" leaves it to the agent's window
  lines: number;
  ownHours: number; // how long the agent's own changes hold: 0 never, -1 for good
  forgets: boolean;
  forgetDays: number;
  forgetAt: string; // HH:MM
  /** Members that the form does not show; they stay as they are. */
  rest: Conditions;
}

const emptySeveral = (): SeveralForm => ({
  all: false,
  byCount: false,
  count: 10,
  byMinutes: false,
  minutes: 10,
  bySilence: false,
  silent: 2,
  sleeps: "none",
  monologue: 2,
  timeout: 30,
  reads: "",
  lines: 20,
  ownHours: 0,
  forgets: false,
  forgetDays: 1,
  forgetAt: "06:00",
  rest: {},
});

export const emptyTrigger = (kind: TriggerForm["kind"] = "chance"): TriggerForm => ({ kind, count: 10, seconds: 60, several: emptySeveral() });

const simpleKinds = { chance: "chance", message_count: "count", time_interval: "interval", silence: "silence", manual: "called" } as const;

function isSeveral(config: TriggerConfig): config is Conditions {
  return ["logic", "trigger", "close", "self_modification", "state_reset"].some((m) => m in config);
}

/** Reads a stored trigger; none is a roll for an agent, and the agent's own in a room. */
export function triggerForm(config: TriggerConfig | null, none: "chance" | "inherit" = "chance"): TriggerForm {
  if (config === null || Object.keys(config).length === 0) return emptyTrigger(none);
  if (isSeveral(config)) return { ...emptyTrigger("several"), several: severalForm(config) };
  const form = emptyTrigger(simpleKinds[(config.type || "chance") as keyof typeof simpleKinds] ?? "chance");
  const value = Number(config.value ?? Number.NaN);
  if (Number.isFinite(value) && config.value !== "") {
    if (form.kind === "count") form.count = value;
    else form.seconds = value;
  }
  return form;
}

function severalForm(config: Conditions): SeveralForm {
  const none = emptySeveral();
  const { trigger: when, close, self_modification: own, state_reset: reset } = config;
  const on = new Set<string>(when?.enabled_conditions ?? []);
  return {
    all: config.logic === "and",
    byCount: on.has("message_count"),
    count: when?.message_count ?? none.count,
    byMinutes: on.has("time_interval_mins"),
    minutes: when?.time_interval_mins ?? none.minutes,
    bySilence: on.has("user_silent_mins"),
    silent: when?.user_silent_mins ?? none.silent,
    sleeps: close?.strategy || "none",
    monologue: close?.monologue_limit ?? none.monologue,
    timeout: close?.timeout_mins ?? none.timeout,
    reads: when?.context_strategy?.type || "",
    lines: when?.context_strategy?.n ?? none.lines,
    ownHours: own?.duration_hours ?? 0,
    forgets: reset?.enabled ?? false,
    forgetDays: reset?.interval_days ?? none.forgetDays,
    forgetAt: reset?.reset_time || none.forgetAt,
    rest: config,
  };
}

/** What is stored for what a person has set; null is none of one's own. */
export function triggerConfig(form: TriggerForm): TriggerConfig | null {
  switch (form.kind) {
    case "inherit":
      return null;
    case "called":
      return { type: "manual" } satisfies Simple;
    case "chance":
      return { type: "chance" } satisfies Simple;
    case "count":
      return { type: "message_count", value: form.count } satisfies Simple;
    case "interval":
      return { type: "time_interval", value: form.seconds } satisfies Simple;
    case "silence":
      return { type: "silence", value: form.seconds } satisfies Simple;
    case "several":
      return conditions(form.several);
  }
}

function conditions(s: SeveralForm): Conditions {
  const on: NonNullable<NonNullable<Conditions["trigger"]>["enabled_conditions"]> = [];
  if (s.byCount) on.push("message_count");
  if (s.byMinutes) on.push("time_interval_mins");
  if (s.bySilence) on.push("user_silent_mins");
  const config: Conditions = {
    ...s.rest,
    logic: s.all ? "and" : "or",
    trigger: {
      ...s.rest.trigger,
      enabled_conditions: on,
      ...(s.byCount ? { message_count: s.count } : {}),
      ...(s.byMinutes ? { time_interval_mins: s.minutes } : {}),
      ...(s.bySilence ? { user_silent_mins: s.silent } : {}),
      ...(s.reads === "" ? {} : { context_strategy: { type: s.reads, ...(s.reads === "last_n" ? { n: s.lines } : {}) } }),
    },
  };
  if (s.sleeps !== "none" || s.rest.close) {
    config.close = {
      ...s.rest.close,
      strategy: s.sleeps,
      ...(s.sleeps === "agent_monologue" ? { monologue_limit: s.monologue } : {}),
      ...(s.sleeps === "user_timeout" ? { timeout_mins: s.timeout } : {}),
    };
  }
  if (s.ownHours !== 0 || s.rest.self_modification) config.self_modification = { ...s.rest.self_modification, duration_hours: s.ownHours };
  if (s.forgets || s.rest.state_reset) {
    config.state_reset = { ...s.rest.state_reset, enabled: s.forgets, ...(s.forgets ? { interval_days: s.forgetDays, reset_time: s.forgetAt } : {}) };
  }
  return config;
}
