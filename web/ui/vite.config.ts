import { fileURLToPath } from "node:url";
import vueI18n from "@intlify/unplugin-vue-i18n/vite";
import tailwindcss from "@tailwindcss/vite";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

const source = fileURLToPath(new URL("./src", import.meta.url));
// The server that `make dev` starts beside this one.
const server = process.env["COAGENT_DEV_SERVER"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [
    vue(),
    // Texts are compiled here, so that the page carries no compiler of them.
    vueI18n({ include: `${source}/locales/*.json`, runtimeOnly: true, dropMessageCompiler: true, strictMessage: true }),
    tailwindcss(),
  ],
  resolve: { alias: { "@": source } },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // The texts of the licences of what is in the build.
    license: { fileName: "licences.txt" },
    // A picture as data: would need a wider policy, and no file is so small that it matters.
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        // What changes seldom has files of its own: a landing renames few of them.
        manualChunks(id: string) {
          if (/node_modules\/(vue|@vue|vue-router|pinia|vue-i18n|@intlify)\//.test(id)) return "vendor";
          if (/node_modules\/(marked|dompurify)\//.test(id)) return "markdown";
          return undefined;
        },
      },
    },
  },
  server: { proxy: { "/api": { target: server, ws: true, changeOrigin: false }, "/files": server } },
});
