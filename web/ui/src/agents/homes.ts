import type { Schemas } from "@/api/client";

/** An agent with its home, its rooms and what the person may do with it. */
export type MyAgent = Schemas["MyAgentOut"];

/** Agents that live together: in a project, or outside this program. */
export interface Group {
  id: string;
  name: string; // "" for those outside of projects, and for templates
  agents: MyAgent[];
}

/** The id of the group of templates. */
export const templates = "templates";

/** Puts agents together by their projects, by name; those outside of projects come last, and then templates. */
export function grouped(agents: MyAgent[]): Group[] {
  const found = new Map<string, Group>();
  for (const agent of agents) {
    const id = agent.is_template ? templates : (agent.project_id ?? "");
    const group = found.get(id) ?? { id, name: agent.project_name ?? "", agents: [] };
    group.agents.push(agent);
    found.set(id, group);
  }
  const order = new Intl.Collator(undefined, { numeric: true });
  const last = (g: Group): number => (g.id === templates ? 2 : g.id === "" ? 1 : 0);
  return [...found.values()].sort((a, b) => last(a) - last(b) || order.compare(a.name, b.name));
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
