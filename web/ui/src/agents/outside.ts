import type { Schemas } from "@/api/client";

/** How a program outside this server is called, as a form has it. Secrets are never read back. */
export interface OutsideForm {
  address: string;
  auth: "none" | "bearer" | "oauth2";
  token: string;
  tokenAddress: string;
  clientId: string;
  clientSecret: string;
  scope: string;
  seconds: number | null;
  fallback: string;
}

type Config = Schemas["ExternalConfig"];

export function outsideForm(config: Config | null): OutsideForm {
  return {
    address: config?.webhook_url ?? "",
    auth: config?.auth_type ?? "bearer",
    token: "",
    tokenAddress: config?.oauth_config?.token_url ?? "",
    clientId: config?.oauth_config?.client_id ?? "",
    clientSecret: "",
    scope: config?.oauth_config?.scope ?? "",
    seconds: Math.round((config?.timeout_ms ?? 30_000) / 1000),
    fallback: config?.fallback_message ?? "",
  };
}

const milliseconds = (form: OutsideForm): number => Math.round((form.seconds ?? 30) * 1000);

/** What changes a stored agent: a secret that is not typed stays as it is. */
export function outsideConfig(was: Config | null, form: OutsideForm): Config {
  const { oauth_config: _, ...rest } = was ?? {};
  const oauth = { token_url: form.tokenAddress.trim(), client_id: form.clientId.trim(), ...(form.scope.trim() ? { scope: form.scope.trim() } : {}) };
  return {
    ...rest,
    webhook_url: form.address.trim(),
    auth_type: form.auth,
    timeout_ms: milliseconds(form),
    fallback_message: form.fallback,
    ...(form.auth === "bearer" && form.token ? { auth_token: form.token } : {}),
    ...(form.auth === "oauth2" ? { oauth_config: oauth, ...(form.clientSecret ? { client_secret: form.clientSecret } : {}) } : {}),
  };
}

/** A new agent. */
export function newOutside(name: string, type: string, form: OutsideForm): Schemas["ExternalAgentInBody"] {
  return {
    name: name.trim(),
    type,
    webhook_url: form.address.trim(),
    auth_type: form.auth,
    timeout_ms: milliseconds(form),
    fallback_message: form.fallback,
    ...(form.auth === "bearer" && form.token ? { auth_token: form.token } : {}),
    ...(form.auth === "oauth2"
      ? { oauth_config: { token_url: form.tokenAddress.trim(), client_id: form.clientId.trim(), client_secret: form.clientSecret, ...(form.scope.trim() ? { scope: form.scope.trim() } : {}) } }
      : {}),
  };
}
