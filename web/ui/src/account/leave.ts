import { useI18n } from "vue-i18n";
import { ask } from "@/parts/confirm";
import { useFailure } from "@/parts/failure";
import { toast } from "@/parts/toasts";
import { unsentOf } from "@/room/kept";
import { useSession } from "./session";

/** Signs the person out; who has messages that the server does not have is asked before. */
export function useLeave(): () => Promise<void> {
  const { t } = useI18n();
  const session = useSession();
  const words = useFailure();
  return async () => {
    const n = session.me ? unsentOf(session.me.id) : 0;
    if (n > 0) {
      ask({ title: t("account.unsent.title", { n }, n), text: t("account.unsent.text"), yes: t("account.unsent.yes"), danger: true, then: () => session.signOut() });
      return;
    }
    try {
      await session.signOut();
    } catch (cause) {
      toast(words(cause), { kind: "failed" });
    }
  };
}
