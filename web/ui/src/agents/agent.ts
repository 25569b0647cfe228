import { computed, ref, watch, type ComputedRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { useSession } from "@/account/session";
import { DELETE, ok, PUT } from "@/api/client";
import { Problem } from "@/api/problem";
import { useFailure } from "@/parts/failure";
import { useForm, type Form } from "@/parts/form";
import { toast } from "@/parts/toasts";
import { readMine } from "./all";
import type { MyAgent } from "./homes";
import { changes, draftOf, undoOf, type Agent, type Changes, type Draft } from "./draft";
import { forgetDraft, keepDraft, keptDraft, type KeptDraft } from "./kept";
import { useModels, type ProviderModels } from "./models";

/** The address of agents outside this program, which belong to no project. */
export const outside = "external";

export const pageOf = (agent: Pick<Agent, "id" | "project_id">): string => `/agents/${agent.project_id ?? outside}/${agent.id}`;

export interface AgentPage {
  agent: Ref<MyAgent | undefined>;
  draft: Ref<Draft | undefined>;
  /** What was changed another time and not saved. */
  kept: Ref<KeptDraft | undefined>;
  /** Whether the person may change it. */
  mayEdit: ComputedRef<boolean>;
  models: Ref<ProviderModels[] | undefined>;
  missing: Ref<boolean>;
  failure: Ref<unknown>;
  dirty: ComputedRef<boolean>;
  form: Form;
  load: () => Promise<void>;
  loadModels: () => Promise<void>;
  take: (agent: Agent) => void;
  save: () => Promise<boolean>;
  discard: () => void;
  /** Takes up what was kept, or drops it. */
  takeKept: () => void;
  dropKept: () => void;
  remove: () => Promise<boolean>;
}

const members = ["name", "system_prompt", "model_provider", "model", "capabilities", "trigger_config", "schedule_config", "context_window", "settings", "user_key_ids"];

/** One agent and what a person changes of it. */
export function useAgent(id: () => string): AgentPage {
  const { t } = useI18n();
  const words = useFailure();
  const form = useForm(members);
  const session = useSession();
  const agent = ref<MyAgent>();
  const draft = ref<Draft>();
  const kept = ref<KeptDraft>();
  const mayEdit = computed(() => agent.value?.can.edit === true);
  const missing = ref(false);
  const failure = ref<unknown>();
  const { models, load: loadModels } = useModels(() => ({ agent_id: id() }));
  const pending = computed<Changes>(() => (agent.value && draft.value ? changes(agent.value, draft.value) : {}));
  const dirty = computed(() => Object.keys(pending.value).length > 0);

  const me = (): string => session.me?.id ?? "";

  function take(to: Agent): void {
    if (!agent.value) return;
    agent.value = { ...agent.value, ...to };
    draft.value = draftOf(to);
  }

  async function load(): Promise<void> {
    failure.value = undefined;
    missing.value = false;
    try {
      const found = (await readMine(id()))[0];
      missing.value = found === undefined;
      if (!found) return;
      agent.value = found;
      draft.value = draftOf(found);
      const old = mayEdit.value ? keptDraft(me(), found.id, draft.value) : undefined;
      kept.value = old && Object.keys(changes(found, old.draft)).length > 0 ? old : undefined;
      if (mayEdit.value && !found.is_external) void loadModels().catch((cause: unknown) => toast(words(cause), { kind: "failed" }));
    } catch (cause) {
      if (cause instanceof Problem && (cause.status === 404 || cause.status === 403)) missing.value = true;
      else failure.value = cause;
    }
  }

  // What is typed outlives a reload. It is kept a moment after the last key.
  let timer: ReturnType<typeof setTimeout> | undefined;
  watch(
    draft,
    () => {
      clearTimeout(timer);
      const now = agent.value;
      if (now && !kept.value) timer = setTimeout(() => keepNow(now), 300);
    },
    { deep: true },
  );
  function keepNow(now: MyAgent): void {
    if (agent.value?.id !== now.id || !draft.value) return;
    if (dirty.value) keepDraft(me(), now.id, { draft: draft.value, at: new Date().toISOString(), of: agent.value.updated_at });
    else forgetDraft(me(), now.id);
  }
  function takeKept(): void {
    if (kept.value) draft.value = kept.value.draft;
    kept.value = undefined;
  }
  function dropKept(): void {
    kept.value = undefined;
    clearTimeout(timer);
    if (agent.value) forgetDraft(me(), agent.value.id);
  }
  function discard(): void {
    dropKept();
    if (agent.value) draft.value = draftOf(agent.value);
  }

  const put = (body: Changes): Promise<Agent> => ok(PUT("/api/v1/agents/{id}", { params: { path: { id: id() } }, body }));

  async function save(): Promise<boolean> {
    const was = agent.value;
    if (!was || !dirty.value) return true;
    const sent = pending.value;
    const saved = await form.send(async () => take(await put(sent)));
    if (saved) dropKept();
    if (saved) toast(t("agents.page.saved", { name: was.name }), { undo: () => undo(was, sent) });
    return saved;
  }

  async function undo(was: Agent, sent: Changes): Promise<void> {
    try {
      const back = await put(undoOf(was, sent));
      if (agent.value?.id === back.id) take(back);
    } catch (cause) {
      toast(words(cause), { kind: "failed" });
    }
  }

  async function remove(): Promise<boolean> {
    return form.send(() => ok(DELETE("/api/v1/agents/{id}", { params: { path: { id: id() } } })));
  }

  return {
    agent, draft, kept, mayEdit, models, missing, failure, dirty, form, load, loadModels, take, save, discard, takeKept, dropKept, remove,
  };
}
