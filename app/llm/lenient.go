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

// This file reads JSON that other people's servers wrote. A member that is used may
// come in any type; all other members are ignored.

// items returns at most most elements of a JSON list, none when raw is not a list.
func items(raw json.RawMessage, most int) (out []json.RawMessage) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	// A short list that is whole is read without a decoder, which each takes a buffer.
	if len(raw) <= shortList && json.Unmarshal(raw, &out) == nil {
		return out[:min(len(out), most)]
	}
	out = nil
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
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

// shortList is how many bytes of a list are read at once, however many elements it has.
const shortList = 4 << 10

// textOf returns a JSON string, or "" when raw is anything else.
func textOf(raw json.RawMessage) string {
	var s string
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// wordOf returns a JSON string, number or boolean as a text.
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

// countOf returns a count, which may be a number or a text. ok is false for anything
// else.
func countOf(raw json.RawMessage) (n int, ok bool) {
	f, err := strconv.ParseFloat(wordOf(raw), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<40 {
		return 0, false
	}
	return int(f), true
}

// mostTokens is the most tokens of a kind that are counted for one call. No model has so
// many. It keeps what a hostile server says in the range of the sums and the database.
const mostTokens = 100_000_000

// tokensOf is countOf for a number of tokens.
func tokensOf(raw json.RawMessage) (n int, ok bool) {
	n, ok = countOf(raw)
	return min(n, mostTokens), ok
}

// isNull reports whether a member is missing or empty: null, "", {}, [] or false.
func isNull(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "{}", "[]", "false":
		return true
	}
	return false
}

// errNotJSON is the error for an event that is not JSON.
var errNotJSON = errors.New("what it sent is no JSON")

// documents returns the JSON values in the data of one event. Usually there is one. It
// may also be a list, which gives its elements, or several values, one a line: some
// servers end an event with one line end where two are needed.
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

// repaired corrects what some servers write instead of JSON: NaN and Infinity as
// numbers, and line ends and other control characters inside texts. It does not change
// valid JSON.
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

// plainJSON writes a value without HTML escapes, because the arguments of tool calls
// are shown to people, and to models again.
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
