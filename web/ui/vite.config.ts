import { fileURLToPath } from "node:url";
import vueI18n from "@intlify/unplugin-vue-i18n/vite";
import tailwindcss from "@tailwindcss/vite";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

const source = fileURLToPath(new URL("./src", import.meta.url));
// The server that `make dev` starts beside this one.
const server = process.env["COAGENT_DEV_SERVER"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  // The server writes into the page where the installation is on its host; chunks find each other
  // by their own addresses.
  base: "./",
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
        // Few files for a page, and few that an edit renames: a file is named by its content, in
        // which the names of those it imports stand. So what changes seldom is by itself; the
        // entry alone names the pages and the languages, and nothing imports the entry.
        codeSplitting: {
          groups: [
            { name: "vendor", priority: 5, test: /rolldown\/runtime|vite\/preload-helper|plugin-vue:|node_modules\/(vue|@vue|vue-router|pinia|vue-i18n|@intlify|openapi-fetch)\// },
            { name: "app", priority: 4, tags: ["$initial"], test: (id) => !/index\.html|src\/(main\.ts|router\.ts|App\.vue|palette\/Keyboard\.vue)/.test(id) },
            // What several pages share, by what it is of; announcements show Markdown too.
            { name: "markdown", priority: 3, minShareCount: 2, test: /node_modules\/(marked|dompurify)\/|src\/room\/markdown/i },
            { name: "parts", priority: 2, minShareCount: 2, test: /src\/(parts\/|room\/when)|node_modules\/lucide-vue-next/ },
            { name: "room", priority: 1, minShareCount: 2, test: /src\/(room|search)\/|node_modules\/@tanstack/ },
            { name: "courses", minShareCount: 2, test: /src\/(courses|people|welcome)\/|qrcode-generator/ },
            { name: "agents", minShareCount: 2, test: /src\/(agents|account)\// },
          ],
        },
      },
    },
  },
  server: { proxy: { "/api": { target: server, ws: true, changeOrigin: false }, "/files": server } },
});
