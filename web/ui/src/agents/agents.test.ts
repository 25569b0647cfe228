import { describe, expect, it } from "vitest";
import { changes, draftOf, undoOf, type Agent } from "./draft";
import { givingWay, grouped, homeOf, type MyAgent } from "./homes";
import { eventReader, textAfter } from "./heard";
import { newOutside, outsideConfig, outsideForm } from "./outside";
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
    id: "1", name: "Ada", type: "teacher", category: "instructor", system_prompt: "Ask.", model_provider: "openai", model: "gpt-4o", capabilities: ["chat:read"], user_key_ids: ["k1"],
    settings: { temperature: 0.5, prompt_tokens: 9 }, trigger_config: null, schedule_config: null, context_window: 10, is_active: true,
  } as unknown as Agent;
  it("that is untouched changes nothing", () => expect(changes(agent, draftOf(agent))).toEqual({}));
  it("sends only what changed, and settings as a whole", () => {
    const draft = { ...draftOf(agent), system_prompt: "Listen.", max_tokens: 100 };
    expect(changes(agent, draft)).toEqual({ system_prompt: "Listen.", settings: { temperature: 0.5, prompt_tokens: 9, max_tokens: 100 } });
  });
  it("sends the chosen keys and whether pictures are shown, and takes the latter back", () => {
    expect(changes(agent, { ...draftOf(agent), user_key_ids: ["k2", "k1"] })).toEqual({ user_key_ids: ["k2", "k1"] });
    const shown = { ...agent, settings: { ...agent.settings, pictures: true } } as Agent;
    expect(changes(agent, { ...draftOf(agent), pictures: "yes" }).settings).toEqual(shown.settings);
    expect(changes(shown, { ...draftOf(shown), pictures: "known" }).settings).toEqual(agent.settings);
  });
  it("of another provider takes its model along", () => expect(changes(agent, { ...draftOf(agent), model_provider: "gemini", model: "" })).toEqual({ model_provider: "gemini", model: null }));
  it("can be undone", () => expect(undoOf(agent, { system_prompt: "Listen.", trigger_config: { type: "manual" } })).toEqual({ system_prompt: "Ask.", trigger_config: null }));
});

describe("the agents of a person", () => {
  const of = (id: string, more: Partial<MyAgent>): MyAgent =>
    ({ id, name: id, type: "teacher", project_id: "p", project_name: "Physics", is_active: true, is_template: false, ready_made: false, rooms: [], can: { use: true, edit: true, delete: true, keys: true }, ...more }) as MyAgent;
  it("are put together by projects; those outside come last, and then templates", () => {
    const groups = grouped([of("x", { project_id: null, project_name: null }), of("a", { project_id: "q", project_name: "Zoo" }), of("b", {}), of("t", { is_template: true, project_id: null, project_name: null })]);
    expect(groups.map((g) => [g.name, g.agents.map((a) => a.id)])).toEqual([["Physics", ["b"]], ["Zoo", ["a"]], ["", ["x"]], ["", ["t"]]]);
  });
  it("give way to another of their type in their project while they are ready-made and on", () => {
    const all = [of("ready", { ready_made: true }), of("off", { ready_made: true, is_active: false }), of("own", {}), of("student", { ready_made: true, type: "student" }), of("far", { ready_made: true, project_id: "q" })];
    expect(givingWay(all, { project: "p", type: "teacher" }).map((a) => a.id)).toEqual(["ready"]);
    expect(givingWay(all, { project: "p", type: "teacher", id: "ready" })).toEqual([]);
    expect(givingWay(all, { project: null, type: "teacher" })).toEqual([]);
  });
  it("say where a new one of a course lives", () => {
    const here = [{ room_id: "r", room_name: "R", course_id: "c", state: "ready" as const }];
    const all = [of("read", { project_id: "o", can: { use: true, edit: false, delete: false, keys: false }, rooms: here }), of("mine", { rooms: here })];
    expect(homeOf(all, "c")).toBe("p");
    expect(homeOf(all, "d")).toBeNull();
  });
});

describe("a program outside", () => {
  it("keeps its secrets unless they are typed anew, and what no form has", () => {
    const was = { webhook_url: "https://a.example/", auth_type: "bearer" as const, timeout_ms: 5000, fallback_message: "Away", own: 1 };
    expect(outsideConfig(was, outsideForm(was))).toEqual(was);
    expect(outsideConfig(was, { ...outsideForm(was), token: "new" })).toEqual({ ...was, auth_token: "new" });
    expect(outsideConfig(was, { ...outsideForm(was), auth: "none", token: "left over" })).toEqual({ ...was, auth_type: "none" });
  });
  it("is made with what its way to sign in needs", () => {
    const form = { ...outsideForm(null), address: " https://a.example/ ", auth: "oauth2" as const, tokenAddress: "https://id.example/", clientId: "us", clientSecret: "s" };
    expect(newOutside(" Tutor ", "external", form)).toMatchObject({ name: "Tutor", webhook_url: "https://a.example/", oauth_config: { token_url: "https://id.example/", client_id: "us", client_secret: "s" } });
    expect(newOutside("Tutor", "external", form)).not.toHaveProperty("auth_token");
  });
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
