// Agents of each type, most of which cannot or may not speak, each for another reason.

const manual = { type: "manual" };

export async function agents({ teacher, rooms, model }) {
  const add = async (room, name, more = {}) => {
    const made = await teacher.api("POST", `/rooms/${room.id}/agents`, {
      name,
      type: "teacher",
      system_prompt: `You are ${name}. You help a class to find things out by themselves: ask one question at a time, and never give the whole answer away.\n\nAnswer in the language in which you are asked.`,
      model_provider: "openai",
      model: "gpt-4o-mini",
      api_key: "sk-of-the-school-0123456789",
      is_active: true,
      trigger_config: manual,
      ...more,
    });
    return { id: made.agent?.id ?? made.id, project: made.agent?.project_id ?? made.project_id, name };
  };
  const { group, third, big } = rooms;
  const made = {
    socrates: await add(group, "Socrates 蘇格拉底", { trigger_config: { type: "message_count", value: 10 } }),
    peer: await add(group, "Curious classmate", { type: "student" }),
    finder: await add(group, "Librarian who knows where everything stands", { capabilities: ["agents:ask", "chat:read", "artifact:read"] }),
    tidy: await add(group, "Lab assistant", { capabilities: ["artifact:read", "artifact:write", "artifact:delete"] }),
    broken: await add(group, "Formula checker"),
    long: await add(group, "Storyteller"),
    muted: await add(group, "Devil's advocate"),
    asleep: await add(group, "Night owl"),
    poor: await add(group, "Grand Inquisitor"),
    closed: await add(group, "Homework helper", { schedule_config: { mode: "whitelist", rules: [{ type: "specific_date", date: "2020-01-06", time_range: ["08:00", "09:50"] }] } }),
    off: await add(group, "Examiner", { is_active: false }),
    thinker: await add(third, "孔子"),
    forum: await add(big, "Forum helper"),
  };
  const at = (a, act) => `/rooms/${group.id}/agents/${a.id}/${act}`;
  await teacher.api("POST", at(made.muted, "mute"), { minutes: 45 });
  await teacher.api("POST", "/budgets", { scope_kind: "agent", scope_id: made.poor.id, period: "day", unit: "tokens", cap: 1 });
  const outside = await teacher.api("POST", "/agents/external/create?project_id=" + made.socrates.project, { name: "Weather station (outside)", webhook_url: `${new URL(model.url).origin}/hook`, type: "external" }).catch(() => null);
  if (outside) await teacher.api("POST", `/rooms/${group.id}/agents/${outside.id}`).catch(() => null);
  return made;
}
