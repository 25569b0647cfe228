import type { Schemas } from "@/api/client";

export type ScheduleConfig = Schemas["ScheduleConfig"];
type Rules = Schemas["RuleSchedule"];

/** One line of a schedule, as a person sets it. */
export interface RuleForm {
  kind: "everyday" | "day_of_week" | "specific_date";
  days: number[]; // 1 is Monday
  date: string;
  allDay: boolean;
  from: string;
  to: string;
}

/** When an agent may speak at all. */
export interface ScheduleForm {
  /** "inherit" only in a room; "ranges" is the older form, which is kept as it is. */
  kind: "inherit" | "always" | "whitelist" | "blacklist" | "ranges";
  rules: RuleForm[];
  ranges: ScheduleConfig | null;
}

export const newRule = (): RuleForm => ({ kind: "day_of_week", days: [1, 2, 3, 4, 5], date: "", allDay: false, from: "08:00", to: "16:00" });
export const emptySchedule = (kind: ScheduleForm["kind"] = "always"): ScheduleForm => ({ kind, rules: [], ranges: null });

function isRules(config: ScheduleConfig): config is Rules {
  return "mode" in config && (config.mode === "whitelist" || config.mode === "blacklist");
}

/** Reads a stored schedule; none is always for an agent, and the agent's own in a room. */
export function scheduleForm(config: ScheduleConfig | null, none: "always" | "inherit" = "always"): ScheduleForm {
  if (config === null || Object.keys(config).length === 0) return emptySchedule(none);
  if (!isRules(config)) return { kind: "ranges", rules: [], ranges: config };
  const rules = (config.rules ?? []).map((rule): RuleForm => {
    const [from, to] = rule.time_range ?? [];
    return {
      ...newRule(),
      kind: rule.type,
      days: rule.type === "day_of_week" ? [...rule.days] : newRule().days,
      date: rule.type === "specific_date" ? rule.date : "",
      allDay: from === undefined || to === undefined,
      ...(from !== undefined && to !== undefined ? { from, to } : {}),
    };
  });
  // Nothing is forbidden where no rule says when: that is always.
  if (config.mode === "blacklist" && rules.length === 0) return emptySchedule("always");
  return { kind: config.mode, rules, ranges: null };
}

/**
 * What is stored for what a person has set. In a room null means the agent's own, so
 * that "always" needs a form of its own there.
 */
export function scheduleConfig(form: ScheduleForm, inRoom = false): ScheduleConfig | null {
  switch (form.kind) {
    case "inherit":
      return null;
    case "always":
      return inRoom ? { mode: "blacklist", rules: [] } : null;
    case "ranges":
      return form.ranges;
    default:
      return { mode: form.kind, rules: form.rules.map(ruleOf) };
  }
}

function ruleOf(rule: RuleForm): NonNullable<Rules["rules"]>[number] {
  const hours = rule.allDay ? {} : { time_range: [rule.from, rule.to] };
  switch (rule.kind) {
    case "everyday":
      return { type: "everyday", ...hours };
    case "day_of_week":
      return { type: "day_of_week", days: [...rule.days].sort((a, b) => a - b), ...hours };
    case "specific_date":
      return { type: "specific_date", date: rule.date, ...hours };
  }
}
