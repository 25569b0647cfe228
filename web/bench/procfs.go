//go:build unix

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memory is what a process has in memory, in bytes; zero where the system does not tell.
type memory struct {
	RSS  int64
	Anon int64 // without the pages of files, such as the program itself
}

// memoryOf reads the memory of a process, on Linux.
func memoryOf(pid int) (m memory) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		var kib int64
		if _, err := fmt.Sscan(value, &kib); err != nil {
			continue // the first line has no name
		}
		switch name {
		case "Rss":
			m.RSS = kib << 10
		case "Anonymous":
			m.Anon = kib << 10
		}
	}
	return m
}

// tick is the unit of times in /proc.
const tick = 10 * time.Millisecond

// cpuOf returns the user and system time of a process and of its children that have ended,
// on Linux.
func cpuOf(pid int) (used time.Duration) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// proc(5): pid (name) state ..., and from the 14th on the four times. The name may hold
	// anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	for i := 11; i < min(15, len(fields)); i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		used += time.Duration(n) * tick
	}
	return used
}

// databaseCPU returns the CPU of Postgres so far.
func (l *lab) databaseCPU() (used time.Duration) {
	if l.server == nil {
		return 0
	}
	pids, err := l.server.Processes()
	if err != nil {
		return 0
	}
	for _, pid := range pids {
		used += cpuOf(pid)
	}
	return used
}

// machineCPU returns how long the cores of the machine have been busy, for whomever.
func machineCPU() (busy time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	// proc(5): cpu user nice system idle iowait irq softirq steal ...; guests are in user.
	fields := strings.Fields(line)
	for i := 1; i < min(9, len(fields)); i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		if i != 4 && i != 5 {
			busy += time.Duration(n) * tick
		}
	}
	return busy
}
