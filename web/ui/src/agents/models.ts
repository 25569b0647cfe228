import { ref, type Ref } from "vue";
import { GET, ok, POST, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";

export type ProviderModels = Schemas["ProviderModelsOut"];
type Provider = Schemas["TestKeyInBody"]["provider"];

/** The provider that answers without a model, for trying things out. */
export const offline = "offline";

const names: Record<string, string> = { openai: "OpenAI", gemini: "Google Gemini", claude: "Anthropic Claude" };
/** The name of a provider; those of the operator's have the one that they were given. */
export const providerName = (id: string): string => names[id] ?? id;

/** The models that one may choose from, by provider. */
export function useModels(query: () => { agent_id?: string; project_id?: string }): { models: Ref<ProviderModels[] | undefined>; load: () => Promise<void> } {
  const models = ref<ProviderModels[]>();
  async function load(): Promise<void> {
    models.value = (await ok(GET("/api/v1/models", { params: { query: query() } }))).providers;
  }
  return { models, load };
}

/** Tries a key that is not stored, and says what came of it. */
export function testKey(provider: string, key: string): Promise<Schemas["KeyTestOut"]> {
  return ok(POST("/api/v1/users/keys/test", { body: { provider: provider as Provider, api_key: key.trim() } }));
}

/** Keeps a key for the person. Its name is made up: who has one key needs none for it. */
export async function keepKey(provider: string, key: string, now = new Date()): Promise<void> {
  const alias = (n: number): string => `${providerName(provider)} ${now.toISOString().slice(0, 10)}${n > 1 ? ` (${n})` : ""}`;
  for (let n = 1; ; n++) {
    try {
      await ok(POST("/api/v1/users/keys", { body: { provider: provider as Provider, api_key: key.trim(), alias: alias(n) } }));
      return;
    } catch (cause) {
      if (!(cause instanceof Problem) || cause.code !== "alias_exists" || n === 20) throw cause;
    }
  }
}
