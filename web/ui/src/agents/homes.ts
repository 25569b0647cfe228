import type { Schemas } from "@/api/client";

/** An agent with its home, its rooms and what the person may do with it. */
export type MyAgent = Schemas["MyAgentOut"];

/** Agents that live together: in a project, or outside this program. */
export interface Group {
  id: string;
  name: string; // "" for those outside of projects
  agents: MyAgent[];
}

/** Puts agents together by their projects, by name; those outside of projects come last. */
export function grouped(agents: MyAgent[]): Group[] {
  const found = new Map<string, Group>();
  for (const agent of agents) {
    if (agent.is_template) continue;
    const id = agent.project_id ?? "";
    const group = found.get(id) ?? { id, name: agent.project_name ?? "", agents: [] };
    group.agents.push(agent);
    found.set(id, group);
  }
  const order = new Intl.Collator(undefined, { numeric: true });
  return [...found.values()].sort((a, b) => Number(a.id === "") - Number(b.id === "") || order.compare(a.name, b.name));
}

/**
 * The ready-made agents that are switched off as soon as another of their type in their
 * project is on.
 */
export function givingWay(agents: MyAgent[], to: { project: string | null; type: string; id?: string | undefined }): MyAgent[] {
  return to.project === null ? [] : agents.filter((a) => a.ready_made && a.is_active && a.project_id === to.project && a.type === to.type && a.id !== to.id);
}

/** The project that gets a new agent of a course: the first in which the person may change one that is in the course. */
export function homeOf(agents: MyAgent[], course: string): string | null {
  return agents.find((a) => a.project_id !== null && a.can.edit && a.rooms.some((r) => r.course_id === course))?.project_id ?? null;
}
