package archive

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// timeForm is how times stand in an archive: UTC, with microseconds.
const timeForm = "2006-01-02T15:04:05.000000Z"

// AppendRow appends the line of a row, with its end. The values are those of the columns, in
// their order: nil, string, int64, float64, bool, time.Time or []byte.
func AppendRow(line []byte, columns []Column, values []any) ([]byte, error) {
	if len(values) != len(columns) {
		return line, fmt.Errorf("%d values for %d columns", len(values), len(columns))
	}
	line = append(line, '[')
	for i, v := range values {
		if i > 0 {
			line = append(line, ',')
		}
		var ok bool
		if line, ok = appendValue(line, columns[i].Kind, v); !ok {
			return line, fmt.Errorf("the column %s is of the kind %s and holds a %T", columns[i].Name, columns[i].Kind, v)
		}
	}
	return append(line, ']', '\n'), nil
}

func appendValue(line []byte, kind Kind, v any) ([]byte, bool) {
	switch x := v.(type) {
	case nil:
		return append(line, "null"...), true
	case string:
		return appendText(line, x), kind == Text
	case int64:
		return strconv.AppendInt(line, x, 10), kind == Int
	case bool:
		return strconv.AppendBool(line, x), kind == Bool
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return line, false
		}
		return strconv.AppendFloat(line, x, 'g', -1, 64), kind == Float
	case time.Time:
		return x.UTC().AppendFormat(append(line, '"'), timeForm+`"`), kind == Time && x.UTC().Year() > 0 && x.UTC().Year() < 10_000
	case []byte:
		line = append(line, '"')
		line = base64.StdEncoding.AppendEncode(line, x)
		return append(line, '"'), kind == Bytes
	}
	return line, false
}

const hexDigits = "0123456789abcdef"

// appendText appends a text as JSON. Only what JSON must escape is escaped, so the line of a
// text is the same whatever a later version of an encoder does.
func appendText(line []byte, s string) []byte {
	line = append(line, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			line = append(line, '\\', c)
		case c == '\n':
			line = append(line, '\\', 'n')
		case c < 0x20:
			line = append(line, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			line = append(line, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			line = utf8.AppendRune(line, r) // what is no UTF-8 becomes U+FFFD
			i += size
			continue
		}
		i++
	}
	return append(line, '"')
}

// ParseRow reads a line back into the values of the columns.
func ParseRow(columns []Column, line []byte) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return nil, err
	}
	if len(raw) != len(columns) {
		return nil, fmt.Errorf("a row has %d values, and its table %d columns", len(raw), len(columns))
	}
	values := make([]any, len(raw))
	for i, r := range raw {
		v, err := parseValue(columns[i].Kind, r)
		if err != nil {
			return nil, fmt.Errorf("the column %s: %w", columns[i].Name, err)
		}
		values[i] = v
	}
	return values, nil
}

var errKind = errors.New("a value is not of its column's kind")

func parseValue(kind Kind, raw json.RawMessage) (any, error) {
	if bytes.Equal(raw, []byte("null")) {
		return nil, nil //nolint:nilnil // NULL
	}
	switch kind {
	case Int:
		return strconv.ParseInt(string(raw), 10, 64)
	case Float:
		return strconv.ParseFloat(string(raw), 64)
	case Bool:
		return strconv.ParseBool(string(raw))
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, errKind
	}
	switch kind {
	case Text:
		return s, nil
	case Time:
		return time.Parse(timeForm, s)
	case Bytes:
		return base64.StdEncoding.DecodeString(s)
	}
	return nil, errKind
}
