import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { form, GET, ok, onMustSetUp, onSignedOut, POST, renewed, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";
import { hear, show, tell, type Preferences } from "./prefer";
import { anew, heard, hearTabs, tellTabs } from "./tabs";

/** Whether the password was right, and a code of the second factor is to follow. */
export const needsCode = (cause: unknown): boolean => cause instanceof Problem && cause.code === "two_factor_needed";

/** Who uses the studio, and what the server says of itself. */
export const useSession = defineStore("session", () => {
  const me = ref<Schemas["UserOut"] | null>(null);
  const meta = ref<Schemas["MetaOut"] | null>(null);
  /** With what people sign in beside their password; known to who is signed out. */
  const providers = ref<Schemas["ProviderOut"][]>([]);
  /** True when the session ended under way, so that the sign-in says so. */
  const ended = ref(false);
  const signedIn = computed(() => me.value !== null);
  const staff = computed(() => me.value !== null && me.value.role !== "student" && me.value.role !== "guest");
  const admin = computed(() => me.value?.role === "admin" || me.value?.role === "super_admin");
  const operator = computed(() => me.value?.role === "super_admin");
  /** The person can do nothing before two-factor sign-in is set up. */
  const mustSetUp = computed(() => me.value?.two_factor === "required");
  const name = computed(() => me.value?.full_name || me.value?.username || me.value?.email || "");

  // Whom this page had last, signed in or not any more.
  let last = "";

  onSignedOut(() => {
    void readProviders();
    ended.value = me.value !== null;
    me.value = null;
  });
  onMustSetUp(() => {
    if (me.value && !mustSetUp.value) void load().catch(() => {});
  });
  hearTabs((person) => {
    switch (heard(me.value?.id ?? "", person)) {
      case "sign-out":
        ended.value = true;
        me.value = null;
        break;
      case "look":
        void load().catch(() => {}); // the person can still sign in here
        break;
      case "begin-anew":
        location.reload();
    }
  });

  /** Reads who is signed in. It throws only when the server cannot be reached or fails. */
  async function load(): Promise<void> {
    const [found, said] = await Promise.all([whoami(), meta.value ?? ok(GET("/api/v1/meta"))]);
    meta.value = said;
    if (found === null) await readProviders();
    await take(found);
  }

  // Before the page of the sign-in is shown, so that nothing on it moves. Without them it works.
  async function readProviders(): Promise<void> {
    providers.value = await ok(GET("/api/v1/login/providers")).catch(() => []);
  }

  async function whoami(): Promise<Schemas["UserOut"] | null> {
    try {
      const known = await ok(POST("/api/v1/login/test-token"));
      // The short answer lacks the preferences.
      return known === null ? null : await ok(GET("/api/v1/users/me"));
    } catch (cause) {
      if (!(cause instanceof Problem) || cause.status !== 401) throw cause;
      return (await renewed()) ? await ok(GET("/api/v1/users/me")) : null;
    }
  }

  async function take(found: Schemas["UserOut"] | null): Promise<void> {
    if (found !== null) tellTabs(found.id);
    if (found !== null && last !== "" && last !== found.id) {
      // What the page knows is another person's.
      location.assign(anew(new URL(location.href)));
      return new Promise(() => {});
    }
    me.value = found;
    if (found === null) return;
    last = found.id;
    ended.value = false;
    await show(found.preferences);
  }

  /** Takes what the person likes from now on; the other tabs take it too. */
  async function prefer(likes: Preferences): Promise<void> {
    if (!me.value) return;
    me.value.preferences = likes;
    tell(me.value.id, likes);
    await show(likes);
  }
  hear((person, likes) => {
    if (me.value?.id !== person) return;
    me.value.preferences = likes;
    void show(likes);
  });

  async function signIn(username: string, password: string): Promise<void> {
    await form("/login/access-token", { username, password });
    await take(await ok(GET("/api/v1/users/me")));
  }

  /** Ends a sign-in that needs a code. */
  async function signInWithCode(code: string): Promise<void> {
    await ok(POST("/api/v1/login/access-token/code", { body: { code } }));
    await take(await ok(GET("/api/v1/users/me")));
  }

  async function signOut(): Promise<void> {
    const { sign_out_url: further } = await ok(POST("/api/v1/login/logout"));
    if (further) {
      tellTabs("");
      location.assign(further); // the provider sends the browser back
      return new Promise(() => {});
    }
    await readProviders();
    me.value = null;
    tellTabs("");
  }

  return { me, meta, ended, providers, signedIn, staff, admin, operator, mustSetUp, name, load, take, prefer, signIn, signInWithCode, signOut };
});
