package doctor

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
)

// Exit codes of the command, for monitoring.
const (
	ExitOK       = 0
	ExitFault    = 1
	ExitWarnings = 2
)

// ExitCode is the exit code for a report.
func (r *Report) ExitCode() int {
	switch r.State() {
	case Fault:
		return ExitFault
	case Warning:
		return ExitWarnings
	}
	return ExitOK
}

// notExamined is how the texts begin about checks that cannot be made.
const notExamined = "Not examined"

// colours of the states on a terminal: green, grey, yellow, red.
var colours = map[State]string{OK: "32", Skipped: "90", Warning: "33", Fault: "31"}

// Print writes a report for people: a line for each finding, and its remedy below.
func (r *Report) Print(w io.Writer, colour bool) error {
	out := bufio.NewWriter(w)
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.Check))
	}
	const stateWidth = 7 // of the longest state
	count := map[State]int{}
	last := ""
	var unseen []string // checks that were not made, with why
	why := ""
	for _, f := range r.Findings {
		count[f.State]++
		if f.State == Skipped && f.Remedy.Pattern == "" && strings.HasPrefix(f.Text.Pattern, notExamined) {
			unseen, why = append(unseen, f.Check), f.Text.String()
			continue
		}
		name := f.Check
		if name == last {
			name = ""
		}
		last = f.Check
		state := fmt.Sprintf("%-*s", stateWidth, f.State)
		if colour {
			state = "\x1b[" + colours[f.State] + "m" + state + "\x1b[0m"
		}
		fmt.Fprintf(out, "%s  %-*s  %s\n", state, width, name, f.Text)
		if f.Remedy.Pattern != "" {
			fmt.Fprintf(out, "%s-> %s\n", strings.Repeat(" ", stateWidth+width+4), f.Remedy)
		}
	}
	if len(unseen) > 0 {
		fmt.Fprintf(out, "%s: %s\n", why, strings.Join(unseen, ", "))
	}
	fmt.Fprintf(out, "\n%d faults, %d warnings, %d in order, %d skipped\n", count[Fault], count[Warning], count[OK], count[Skipped])
	return out.Flush()
}

// FindingOut is a finding as programs get it.
type FindingOut struct {
	Check  string `json:"check"`
	State  State  `json:"state" enum:"ok,skipped,warning,fault"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// DiagnosisOut is a report as programs get it.
type DiagnosisOut struct {
	State    State        `json:"state" enum:"ok,warning,fault" doc:"The worst of all"`
	Version  string       `json:"version"`
	At       time.Time    `json:"at"`
	Findings []FindingOut `json:"findings"`
}

// In is a report in a language.
func (r *Report) In(l wording.Lang) DiagnosisOut {
	out := DiagnosisOut{State: r.State(), Version: r.Version, At: r.At, Findings: []FindingOut{}}
	for _, f := range r.Findings {
		said := FindingOut{Check: f.Check, State: f.State, Text: f.Text.In(l)}
		if f.Remedy.Pattern != "" {
			said.Remedy = f.Remedy.In(l)
		}
		out.Findings = append(out.Findings, said)
	}
	return out
}

// PrintJSON writes a report for programs.
func (r *Report) PrintJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r.In(wording.English))
}
