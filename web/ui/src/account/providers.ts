/** The providers by the names that people know, and where they give out keys. */
export const providers: Record<string, { name: string; keys?: string }> = {
  openai: { name: "OpenAI", keys: "https://platform.openai.com/api-keys" },
  gemini: { name: "Google Gemini", keys: "https://aistudio.google.com/apikey" },
  claude: { name: "Anthropic Claude", keys: "https://console.anthropic.com/settings/keys" },
  offline: { name: "Offline" },
};

export const providerName = (id: string): string => providers[id]?.name ?? id;
