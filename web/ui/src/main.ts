import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import { i18n, preferred, setLanguage } from "./i18n";
import { router } from "./router";
import "./style.css";
import "./theme";

await setLanguage(preferred());
createApp(App).use(createPinia()).use(i18n).use(router).mount("#app");
