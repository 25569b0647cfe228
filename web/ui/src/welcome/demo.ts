import { GET, ok, POST, type Schemas } from "@/api/client";
import { offline } from "@/agents/models";

/** What the demo is called and says, in the language of who makes it. */
export interface DemoWords {
  course: string;
  description: string;
  room: string;
  agents: { type: "teacher" | "student"; name: string; prompt: string }[];
}

/** What is there of a demo so far. A second try after a failure goes on from here. */
export interface Demo {
  course: string;
  room: string;
  agents: number;
}

/** The provider whose models the person can use; the one that works offline while there is no key. */
async function usable(): Promise<string> {
  const { providers } = await ok(GET("/api/v1/models"));
  return providers.find((p) => p.provider !== offline && p.key !== "none")?.provider ?? offline;
}

/** Makes a course with a room and two agents. The first answers every message, the second one when it is called. */
export async function makeDemo(words: DemoWords, demo: Demo): Promise<void> {
  const provider = (await usable()) as NonNullable<Schemas["AgentChanges"]["model_provider"]>;
  demo.course ||= (await ok(POST("/api/v1/courses/", { body: { title: words.course, description: words.description } }))).id;
  demo.room ||= (await ok(POST("/api/v1/rooms/", { body: { course_id: demo.course, name: words.room, ai_mode: "both", ai_frequency: 1 } }))).id;
  for (const { type, name, prompt } of words.agents.slice(demo.agents)) {
    await ok(
      POST("/api/v1/rooms/{room_id}/agents", {
        params: { path: { room_id: demo.room } },
        body: { type, name, system_prompt: prompt, model_provider: provider, model: null, is_active: true, ...(type === "student" ? { trigger_config: { type: "manual" } } : {}) },
      }),
    );
    demo.agents++;
  }
}
