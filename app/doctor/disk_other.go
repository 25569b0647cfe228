//go:build !linux && !windows && !darwin

package doctor

func usageOf(string) (usage, error) { return usage{}, errNoUsage }
