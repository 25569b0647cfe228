// How the keys of providers begin; the longer beginnings first.
const beginnings = [
  ["sk-ant-", "claude"],
  ["AIza", "gemini"],
  ["sk-", "openai"],
] as const;

/** The provider that gave out a key, by how the key begins; undefined for a beginning that is not known. */
export const providerOf = (key: string): string | undefined => beginnings.find(([begins]) => key.trim().startsWith(begins))?.[1];
