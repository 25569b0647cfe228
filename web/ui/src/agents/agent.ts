import { computed, ref, type ComputedRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { DELETE, GET, ok, PUT } from "@/api/client";
import { Problem } from "@/api/problem";
import { useFailure } from "@/parts/failure";
import { useForm, type Form } from "@/parts/form";
import { toast } from "@/parts/toasts";
import { changes, draftOf, undoOf, type Agent, type Changes, type Draft } from "./draft";
import { useModels, type ProviderModels } from "./models";

/** The address of agents outside this program, which belong to no project. */
export const outside = "external";

export const pageOf = (agent: Agent): string => `/agents/${agent.project_id ?? outside}/${agent.id}`;

export interface AgentPage {
  agent: Ref<Agent | undefined>;
  draft: Ref<Draft | undefined>;
  /** Whether the person may change it. */
  mayEdit: Ref<boolean>;
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
  remove: () => Promise<boolean>;
}

const members = ["name", "system_prompt", "model_provider", "model", "capabilities", "trigger_config", "schedule_config", "context_window", "settings"];

/** One agent and what a person changes of it. */
export function useAgent(project: () => string, id: () => string): AgentPage {
  const { t } = useI18n();
  const words = useFailure();
  const form = useForm(members);
  const agent = ref<Agent>();
  const draft = ref<Draft>();
  const mayEdit = ref(false);
  const missing = ref(false);
  const failure = ref<unknown>();
  const { models, load: loadModels } = useModels(() => ({ agent_id: id() }));
  const pending = computed<Changes>(() => (agent.value && draft.value ? changes(agent.value, draft.value) : {}));
  const dirty = computed(() => Object.keys(pending.value).length > 0);

  function take(to: Agent): void {
    agent.value = to;
    draft.value = draftOf(to);
  }

  async function load(): Promise<void> {
    failure.value = undefined;
    missing.value = false;
    try {
      const list = project() === outside ? await ok(GET("/api/v1/agents/external/list")) : await ok(GET("/api/v1/agents/{id}", { params: { path: { id: project() } } }));
      const found = list.find((one) => one.id === id());
      missing.value = found === undefined;
      if (!found) return;
      mayEdit.value = await editable();
      take(found);
    } catch (cause) {
      if (cause instanceof Problem && (cause.status === 404 || cause.status === 403)) missing.value = true;
      else failure.value = cause;
    }
  }

  // Who may change an agent may see what its keys offer; nothing else says so.
  async function editable(): Promise<boolean> {
    try {
      await loadModels();
      return true;
    } catch (cause) {
      if (cause instanceof Problem && (cause.status === 403 || cause.status === 404)) return false;
      throw cause;
    }
  }

  const put = (body: Changes): Promise<Agent> => ok(PUT("/api/v1/agents/{id}", { params: { path: { id: id() } }, body }));

  async function save(): Promise<boolean> {
    const was = agent.value;
    if (!was || !dirty.value) return true;
    const sent = pending.value;
    const saved = await form.send(async () => take(await put(sent)));
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
    agent, draft, mayEdit, models, missing, failure, dirty, form, load, loadModels, take, save, remove,
    discard: () => agent.value && take(agent.value),
  };
}
