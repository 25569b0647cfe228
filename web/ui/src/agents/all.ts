import { ref, type Ref } from "vue";
import { GET, ok, type Schemas } from "@/api/client";
import { useSession } from "@/account/session";
import { Problem } from "@/api/problem";
import type { Agent } from "./draft";

/** Agents that live together: in a project, or outside this program. */
export interface Group {
  id: string;
  name: string; // "" for agents outside this program
  agents: Agent[];
}

type Place = Pick<Schemas["CourseAgentOut"], "room_id" | "room_name">;

// What one may not read is not there for one.
async function unlessHidden<T>(answer: Promise<T>, none: T): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof Problem && (cause.status === 403 || cause.status === 404)) return none;
    throw cause;
  }
}

/** All agents that the person may use, by project, and the rooms in which they are. */
export function useAll(): { groups: Ref<Group[] | undefined>; places: Ref<Map<string, Place[]>>; failure: Ref<unknown>; load: (withPlaces?: boolean) => Promise<void> } {
  const groups = ref<Group[]>();
  const places = ref(new Map<string, Place[]>());
  const failure = ref<unknown>();
  const { staff } = useSession();

  async function load(withPlaces = true): Promise<void> {
    failure.value = undefined;
    try {
      const [projects, outside] = await Promise.all([
        staff ? unlessHidden(ok(GET("/api/v1/projects", { params: { query: { limit: 200 } } })), []) : [],
        unlessHidden(ok(GET("/api/v1/agents/external/list")), []),
      ]);
      const found = await Promise.all(
        projects.map(async (p) => ({ id: p.id, name: p.name, agents: await unlessHidden(ok(GET("/api/v1/agents/{id}", { params: { path: { id: p.id } } })), []) })),
      );
      const inProjects = new Set(found.flatMap((g) => g.agents.map((a) => a.id)));
      const rest = outside.filter((a) => !inProjects.has(a.id));
      if (withPlaces) places.value = await whereAll();
      groups.value = [...found, ...(rest.length ? [{ id: "external", name: "", agents: rest }] : [])].filter((g) => g.agents.length > 0);
    } catch (cause) {
      failure.value = cause;
    }
  }

  async function whereAll(): Promise<Map<string, Place[]>> {
    const courses = await unlessHidden(ok(GET("/api/v1/courses/")), []);
    const lists = await Promise.all(courses.filter((c) => c.my_role !== "student").map((c) => unlessHidden(ok(GET("/api/v1/courses/{course_id}/agents", { params: { path: { course_id: c.id } } })), [])));
    const at = new Map<string, Place[]>();
    for (const seat of lists.flat()) at.set(seat.agent_id, [...(at.get(seat.agent_id) ?? []), { room_id: seat.room_id, room_name: seat.room_name }]);
    return at;
  }

  return { groups, places, failure, load };
}
