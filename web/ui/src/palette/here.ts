import type { RouteLocationNormalizedLoaded } from "vue-router";

/** A command of the page that is open: the key of its text, and where it leads. */
export interface Command {
  id: string;
  to: string;
}

export interface Around {
  staff: boolean;
  /** The course of a room. */
  courseOf: (room: string) => string | undefined;
}

/** What one may want on the page that is open, besides what is offered on all pages. */
export function commandsHere(route: Pick<RouteLocationNormalizedLoaded, "params" | "path" | "query">, around: Around): Command[] {
  const found: Command[] = [];
  const param = (name: string): string | undefined => (typeof route.params[name] === "string" && route.params[name] !== "" ? route.params[name] : undefined);
  const room = param("room");
  if (room && around.staff) found.push({ id: "roomAgents", to: `/rooms/${room}/agents` }, { id: "newAgent", to: `/rooms/${room}/agents/new` });
  const course = param("course") ?? (room ? around.courseOf(room) : undefined);
  if (course) {
    const at = `/courses/${course}`;
    found.push({ id: "courseHome", to: at }, { id: "people", to: `${at}/people` }, { id: "announcements", to: `${at}/announcements` });
    if (around.staff) found.push({ id: "invite", to: `${at}/invite` }, { id: "import", to: `${at}/import` }, { id: "courseSettings", to: `${at}/settings` });
  }
  const agent = param("agent");
  const open = typeof route.query["tab"] === "string" ? route.query["tab"] : "words";
  if (agent) for (const tab of ["words", "model", "speaks", "tools", "versions", "more"].filter((one) => one !== open)) found.push({ id: `agentTab.${tab}`, to: `/agents/${param("project")}/${agent}?tab=${tab}` });
  // Where one is already is no way.
  return found.filter((c) => c.to !== route.path);
}
