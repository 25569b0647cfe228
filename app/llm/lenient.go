package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
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
