import { expect, test } from "vitest";
import { deviceName } from "./device";

test("browsers are told by what they say of themselves", () => {
  expect(deviceName("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0")).toBe("Edge · Windows");
  expect(deviceName("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1")).toBe("Safari · iPhone");
  expect(deviceName("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/125 Mobile Safari/537.36")).toBe("Chrome · Android");
  expect(deviceName("curl/8.5")).toBe("curl/8.5");
});
