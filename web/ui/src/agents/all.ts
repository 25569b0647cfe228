import { ref, type Ref } from "vue";
import { GET, ok } from "@/api/client";
import { grouped, type Group, type MyAgent } from "./homes";

export const readMine = (agent_id?: string): Promise<MyAgent[]> => ok(GET("/api/v1/users/me/agents", { params: { query: agent_id ? { agent_id } : {} } }));

/** All agents that the person may use, by project. */
export function useAll(): { groups: Ref<Group[] | undefined>; failure: Ref<unknown>; load: () => Promise<void> } {
  const groups = ref<Group[]>();
  const failure = ref<unknown>();
  async function load(): Promise<void> {
    failure.value = undefined;
    try {
      groups.value = grouped(await readMine());
    } catch (cause) {
      failure.value = cause;
    }
  }
  return { groups, failure, load };
}
