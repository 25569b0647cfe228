package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// This file reads JSON that somebody else's server wrote: what is used is taken
// from whatever type it comes in, and nothing else matters.

// items are the first elements of a JSON list, none when raw is no list.
func items(raw json.RawMessage, most int) []json.RawMessage {
	var out []json.RawMessage
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil
	}
	for len(out) < most && d.More() {
		var item json.RawMessage
		if d.Decode(&item) != nil {
			break
		}
		out = append(out, item)
	}
	return out
}

// textOf is a JSON string, or "" when raw is anything else.
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// wordOf is a JSON string, number or boolean as a text.
func wordOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")) || raw[0] == '{' || raw[0] == '[':
		return ""
	case raw[0] == '"':
		return textOf(raw)
	}
	return string(raw)
}

// countOf is a number that counts something, in a text too; ok is false for anything else.
func countOf(raw json.RawMessage) (n int, ok bool) {
	f, err := strconv.ParseFloat(wordOf(raw), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<40 {
		return 0, false
	}
	return int(f), true
}

// isNull reports whether a member is missing or says nothing: null, "", {} or [], or false.
func isNull(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "{}", "[]", "false":
		return true
	}
	return false
}

// errNotJSON is an event that is no JSON.
var errNotJSON = errors.New("what it sent is no JSON")

// documents are the JSON values in the data of one event: one as a rule; the
// elements of a list; or several, one a line, from servers that end an event
// with one line end where it takes two.
func documents(data []byte) ([]json.RawMessage, error) {
	data = bytes.TrimSpace(data)
	if whole := repaired(data); json.Valid(whole) {
		if whole[0] == '[' {
			return items(whole, 1<<16), nil
		}
		return []json.RawMessage{whole}, nil
	}
	var out []json.RawMessage
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line = repaired(line); !json.Valid(line) {
			return out, errNotJSON
		}
		out = append(out, line)
	}
	return out, nil
}

// repaired makes JSON of what some servers write instead: NaN and Infinity for
// numbers, and line ends and other control characters inside texts. Valid JSON
// it leaves alone.
func repaired(raw []byte) []byte {
	if json.Valid(raw) {
		return raw
	}
	var out bytes.Buffer
	inText := false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case inText && c == '\\' && i+1 < len(raw):
			out.Write(raw[i : i+2])
			i++
		case c == '"':
			inText = !inText
			out.WriteByte(c)
		case inText && c < ' ':
			fmt.Fprintf(&out, `\u%04x`, c)
		case !inText && (c == 'N' || c == 'I' || c == '-'):
			word := notANumber(raw[i:])
			if word == "" {
				out.WriteByte(c)
				continue
			}
			out.WriteString("null")
			i += len(word) - 1
		default:
			out.WriteByte(c)
		}
	}
	return out.Bytes()
}

func notANumber(raw []byte) string {
	for _, word := range []string{"NaN", "Infinity", "-Infinity", "-NaN"} {
		if strings.HasPrefix(string(raw[:min(len(raw), len(word))]), word) {
			return word
		}
	}
	return ""
}

// plainJSON writes a value without the escapes that are there for HTML: what
// models call tools with is shown to people and to models again.
func plainJSON(raw json.RawMessage) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if !bytes.Contains(raw, []byte(`\u00`)) || d.Decode(&v) != nil {
		return raw
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return raw
	}
	return bytes.TrimSpace(out.Bytes())
}
