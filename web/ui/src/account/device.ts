/** Says in a few words which browser and which system a device is, of how the browser calls itself. */
export function deviceName(agent: string): string {
  const browser = ([["Edg/", "Edge"], ["OPR/", "Opera"], ["SamsungBrowser/", "Samsung Internet"], ["Firefox/", "Firefox"], ["CriOS/", "Chrome"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]] as const).find(([mark]) => agent.includes(mark))?.[1];
  const system = ([["iPhone", "iPhone"], ["iPad", "iPad"], ["Android", "Android"], ["CrOS", "ChromeOS"], ["Windows", "Windows"], ["Mac OS X", "macOS"], ["Linux", "Linux"]] as const).find(([mark]) => agent.includes(mark))?.[1];
  return [browser, system].filter(Boolean).join(" · ") || agent.slice(0, 60);
}
