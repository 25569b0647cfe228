import { computed, ref, type ComputedRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { Problem } from "@/api/problem";
import { useFailure } from "./failure";

/** What a form is doing, and what is wrong with what was sent. */
export interface Form {
  busy: Ref<boolean>;
  /** Seconds until the server takes another try. */
  wait: Ref<number>;
  /** What went wrong that no field has. */
  error: ComputedRef<string>;
  /** What is wrong with a member of the body. */
  about: (member: string) => string | undefined;
  /** Sends once; it returns whether that succeeded. */
  send: (what: () => Promise<unknown>) => Promise<boolean>;
  button: (label: string) => string;
}

/** Runs a form: one sending at a time, errors at their fields, and the server's wait. */
export function useForm(members: readonly string[] = []): Form {
  const { t } = useI18n();
  const words = useFailure();
  const busy = ref(false);
  const wait = ref(0);
  const cause = ref<unknown>();

  function about(member: string): string | undefined {
    return cause.value instanceof Problem ? cause.value.about(member) : undefined;
  }

  const error = computed(() => (cause.value === undefined || members.some((m) => about(m)) ? "" : words(cause.value)));

  function countDown(): void {
    if (wait.value > 0) {
      setTimeout(() => {
        wait.value--;
        countDown();
      }, 1000);
    }
  }

  async function send(what: () => Promise<unknown>): Promise<boolean> {
    if (busy.value || wait.value > 0) return false;
    busy.value = true;
    cause.value = undefined;
    try {
      await what();
      return true;
    } catch (e) {
      cause.value = e;
      wait.value = e instanceof Problem && e.status === 429 ? (e.retryAfter ?? 0) : 0;
      countDown();
      return false;
    } finally {
      busy.value = false;
    }
  }

  return { busy, wait, error, about, send, button: (label) => (wait.value > 0 ? t("form.wait", { seconds: wait.value }) : label) };
}
