package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const exampleHead = `# Every setting of coagent with its default. Copy what you change to coagent.yaml in the working folder,
# or name another file with --config or COAGENT_CONFIG.
# Each setting is also an environment variable: COAGENT_ and its path in capitals, for example
# COAGENT_HTTP_ADDR for http.addr. Those of the environment, or of .env here or one folder up, win over this file.
# Lists are written there with commas. Written by Example in app/config/print.go; a test keeps it so.
`

// Effective returns the configuration as YAML, with *** for every secret that is set.
func (c *Config) Effective() []byte { return printConfig(c, false) }

// Example returns the text of config.example.yaml.
func Example() []byte {
	return append([]byte(exampleHead), printConfig(Default(), true)...)
}

func printConfig(config any, comments bool) []byte {
	var out bytes.Buffer
	for _, s := range settingsOf(config) {
		depth := strings.Count(s.path, ".")
		indent := strings.Repeat("  ", depth)
		key := s.path[strings.LastIndex(s.path, ".")+1:]
		if comments {
			if depth == 0 {
				out.WriteString("\n")
			}
			fmt.Fprintf(&out, "%s# %s", indent, s.doc)
			if len(s.legacy) > 0 {
				fmt.Fprintf(&out, " Also %s.", strings.Join(s.legacy, " or "))
			}
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "%s%s:", indent, key)
		switch {
		case s.section:
		case s.value.Kind() == reflect.Map:
			printProviders(&out, indent+"  ", s.value.Interface().(map[string]Provider))
			continue
		default:
			out.WriteString(" " + yamlValue(s.value))
		}
		out.WriteString("\n")
	}
	return out.Bytes()
}

func printProviders(out *bytes.Buffer, indent string, providers map[string]Provider) {
	if len(providers) == 0 {
		out.WriteString(" {}\n")
		return
	}
	out.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		p := providers[name]
		fmt.Fprintf(out, "%s%s:\n", indent, name)
		for line := range strings.Lines(string(printConfig(&p, false))) {
			out.WriteString(indent + "  " + line)
		}
	}
}

// yamlValue writes a value as YAML on one line.
func yamlValue(v reflect.Value) string {
	value := v.Interface()
	switch known := value.(type) {
	case time.Duration:
		value = shortDuration(known.String())
	case fmt.Stringer:
		value = known.String()
	}
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return `"` + err.Error() + `"`
	}
	node.Style |= yaml.FlowStyle
	if strings.Contains(node.Value, "\n") {
		node.Style = yaml.DoubleQuotedStyle
	}
	text, err := yaml.Marshal(&node)
	if err != nil {
		return `"` + err.Error() + `"`
	}
	return strings.TrimSpace(string(text))
}

// shortDuration removes the zeros of 5m0s and 24h0m0s.
func shortDuration(text string) string {
	if before, found := strings.CutSuffix(text, "m0s"); found {
		text = before + "m"
	}
	if before, found := strings.CutSuffix(text, "h0m"); found {
		text = before + "h"
	}
	return text
}
