import { describe, expect, it } from "vitest";
import { changes, draftOf, undoOf, type Agent } from "./draft";
import { eventReader, textAfter } from "./heard";
import { scheduleConfig, scheduleForm, type ScheduleConfig } from "./schedule";
import { triggerConfig, triggerForm, type TriggerConfig } from "./trigger";

describe("a trigger", () => {
  const kept: TriggerConfig[] = [
    { type: "manual" },
    { type: "chance" },
    { type: "message_count", value: 7 },
    { type: "time_interval", value: 90 },
    { type: "silence", value: 45 },
    { logic: "or", trigger: { enabled_conditions: ["message_count", "user_silent_mins"], message_count: 5, user_silent_mins: 2 } },
    {
      logic: "and",
      trigger: { enabled_conditions: ["time_interval_mins"], time_interval_mins: 3, context_strategy: { type: "last_n", n: 20 } },
      close: { strategy: "agent_monologue", monologue_limit: 2 },
      self_modification: { duration_hours: 4, bounds: { message_count: { min: 2, max: 9 } } },
      state_reset: { enabled: true, interval_days: 1, reset_time: "06:00" },
    },
  ];
  it.each(kept)("comes through its form as it was: %o", (config) => expect(triggerConfig(triggerForm(config))).toEqual(config));
  it("of none is a roll for an agent, and the agent's own in a room", () => {
    expect(triggerForm(null).kind).toBe("chance");
    expect(triggerConfig(triggerForm(null, "inherit"))).toBeNull();
  });
  it("reads a number that is written as text", () => expect(triggerForm({ type: "message_count", value: "4" }).count).toBe(4));
  it("takes the default for an empty value", () => expect(triggerForm({ type: "silence", value: "" }).seconds).toBe(60));
});

describe("a schedule", () => {
  const kept: ScheduleConfig[] = [
    { mode: "whitelist", rules: [{ type: "day_of_week", days: [1, 3], time_range: ["08:00", "09:50"] }] },
    { mode: "blacklist", rules: [{ type: "everyday", time_range: ["22:00", "06:00"] }, { type: "specific_date", date: "2026-12-24" }] },
    { general: { mode: "range_weekly", start_date: "2026-09-01", end_date: "2027-01-31", rules: [{ start_time: "08:00", end_time: "09:50", days: [0, 2] }] } },
  ];
  it.each(kept)("comes through its form as it was: %o", (config) => expect(scheduleConfig(scheduleForm(config))).toEqual(config));
  it("of none is always", () => expect(scheduleConfig(scheduleForm(null))).toBeNull());
  it("that is always in a room is laid over the agent's", () => {
    const config = scheduleConfig(scheduleForm(null), true);
    expect(config).toEqual({ mode: "blacklist", rules: [] });
    expect(scheduleForm(config, "inherit").kind).toBe("always");
    expect(scheduleConfig(scheduleForm(null, "inherit"), true)).toBeNull();
  });
});

describe("a draft", () => {
  const agent = {
    id: "1", name: "Ada", type: "teacher", category: "instructor", system_prompt: "Ask.", model_provider: "openai", model: "gpt-4o", capabilities: ["chat:read"],
    settings: { temperature: 0.5, prompt_tokens: 9 }, trigger_config: null, schedule_config: null, context_window: 10, is_active: true,
  } as unknown as Agent;
  it("that is untouched changes nothing", () => expect(changes(agent, draftOf(agent))).toEqual({}));
  it("sends only what changed, and settings as a whole", () => {
    const draft = { ...draftOf(agent), system_prompt: "Listen.", max_tokens: 100 };
    expect(changes(agent, draft)).toEqual({ system_prompt: "Listen.", settings: { temperature: 0.5, prompt_tokens: 9, max_tokens: 100 } });
  });
  it("of another provider takes its model along", () => expect(changes(agent, { ...draftOf(agent), model_provider: "gemini", model: "" })).toEqual({ model_provider: "gemini", model: null }));
  it("can be undone", () => expect(undoOf(agent, { system_prompt: "Listen.", trigger_config: { type: "manual" } })).toEqual({ system_prompt: "Ask.", trigger_config: null }));
});

describe("a stream of events", () => {
  it("is read however it is cut", () => {
    const text = 'event: start\r\ndata: {"a":1}\r\n\r\n: still here\n\ndata: one\ndata: two\n\n';
    for (let cut = 0; cut <= text.length; cut++) {
      const read = eventReader();
      expect([...read(text.slice(0, cut)), ...read(text.slice(cut))], `cut at ${cut}`).toEqual(['{"a":1}', "one\ntwo"]);
    }
  });
  it("puts its text together, and nothing twice", () => {
    let text = textAfter("", { type: "turn", text: "Hi" });
    text = textAfter(text, { type: "delta", offset: 2, text: " 😀" });
    text = textAfter(text, { type: "delta", offset: 5, text: "!" });
    expect(textAfter(text, { type: "delta", offset: 5, text: "!" })).toBe("Hi 😀!");
  });
});
