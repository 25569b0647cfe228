import { expect, test } from "vitest";
import { providerOf } from "./provider";

test("a key tells whose it is", () => {
  expect(providerOf(" sk-proj-abc")).toBe("openai");
  expect(providerOf("sk-ant-api03-abc")).toBe("claude");
  expect(providerOf("AIzaSyAbc")).toBe("gemini");
  expect(providerOf("gsk_abc")).toBeUndefined();
  expect(providerOf("")).toBeUndefined();
});
