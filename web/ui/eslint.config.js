import vue from "eslint-plugin-vue";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["build", "dist", "node_modules", "src/api/schema.d.ts"] },
  ...ts.configs.strict,
  ...vue.configs["flat/essential"],
  ...vue.configs["flat/strongly-recommended"],
  {
    files: ["**/*.vue", "**/*.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".vue"] } },
    rules: {
      // Names of pages and parts are nouns of one word, as files in Go are.
      "vue/multi-word-component-names": "off",
      // What an optional member of a type says already.
      "vue/require-default-prop": "off",
      // Prettier breaks templates into lines.
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/html-indent": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/html-self-closing": ["error", { html: { void: "always" } }],
      // Only what DOMPurify has cleaned; see room/Markdown.vue.
      "vue/no-v-html": "error",
      // With noUncheckedIndexedAccess it says what the lines before have made sure.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-console": "error",
    },
  },
);
