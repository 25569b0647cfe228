import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { i18n, preferred, setLanguage, textsFrom } from "./i18n";
import { router } from "./router";
import "./style.css";
import "./theme";

textsFrom({ en: () => import("@/locales/en.json"), "zh-TW": () => import("@/locales/zh-TW.json") });
// The page of the address comes while the texts do and while it is asked who is signed in. Where
// it fails, the way to the page asks again and says so.
for (const { components } of router.resolve(router.options.history.location).matched) {
  const page = components?.["default"];
  if (typeof page === "function") void (page as () => Promise<unknown>)().catch(() => undefined);
}
await setLanguage(preferred());
createApp(App).use(createPinia()).use(i18n).use(router).mount("#app");
