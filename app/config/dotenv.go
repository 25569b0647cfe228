package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dotEnv reads .env in dir. If there is none, it reads .env in the parent of dir.
func (l *loader) dotEnv(dir string, environ map[string]string) map[string]rawValue {
	env := map[string]rawValue{}
	for _, path := range []string{filepath.Join(dir, ".env"), filepath.Join(dir, "..", ".env")} {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			l.problems = append(l.problems, err.Error())
			return env
		}
		values, err := parseDotEnv(text, environ)
		if err != nil {
			l.problems = append(l.problems, path+": "+err.Error())
		}
		for name, value := range values {
			if value != "" {
				env[name] = rawValue{value, ".env"}
			}
		}
		return env
	}
	return env
}

// parseDotEnv reads a .env file as python-dotenv 1.2 does. The older server used that,
// so one file must mean the same to both. No Go library does this: they expand $NAME
// and escapes differently.
//
// There is one difference. A line that python-dotenv skips with a warning is an error
// here, with its number, because a missing secret would be noticed too late. environ
// gives ${NAME} its value when the file has not set NAME above.
func parseDotEnv(text []byte, environ map[string]string) (map[string]string, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for i, line := range bytes.Split(text, []byte("\n")) {
		if !utf8.Valid(line) {
			return nil, fmt.Errorf("line %d is not UTF-8: save the file as UTF-8", i+1)
		}
	}
	r := dotEnvReader{rest: strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), line: 1}
	values := map[string]string{}
	for {
		name, value, err := r.binding()
		if err != nil || name == "" && r.rest == "" {
			return values, err
		}
		if value == nil { // a bare name removes the value that was set above
			delete(values, name)
			continue
		}
		values[name] = expandDotEnv(*value, values, environ)
	}
}

// dotEnvReader holds the rest of a file, and the number of the line in which the rest
// begins.
type dotEnvReader struct {
	rest string
	line int
}

// take removes n bytes from the front and returns them.
func (r *dotEnvReader) take(n int) string {
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	r.line += strings.Count(taken, "\n")
	return taken
}

// until removes the longest beginning without a rune for which stop is true, and
// returns it.
func (r *dotEnvReader) until(stop func(rune) bool) string {
	if i := strings.IndexFunc(r.rest, stop); i >= 0 {
		return r.take(i)
	}
	return r.take(len(r.rest))
}

// blanks removes blanks within the line, and reports whether there were any.
func (r *dotEnvReader) blanks() bool {
	return r.until(func(c rune) bool { return !pythonSpace(c) || c == '\n' }) != ""
}

func notSpace(c rune) bool { return !pythonSpace(c) }
func newline(c rune) bool  { return c == '\n' }

// pythonSpace does what str.isspace of Python does: it accepts Unicode's spaces and
// four separators.
func pythonSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

// binding reads the next NAME=value. For a bare name and for a comment the value is
// nil. At the end of the file the name is empty and nothing is left. Errors give the
// number of the line and never its content.
func (r *dotEnvReader) binding() (name string, value *string, err error) {
	r.until(notSpace)
	if r.rest == "" {
		return "", nil, nil
	}
	line := r.line
	if after, found := strings.CutPrefix(r.rest, "export"); found && after != strings.TrimLeftFunc(after, pythonSpace) && after[0] != '\n' {
		r.take(len("export"))
		r.blanks()
	}
	if name, err = r.name(line); err != nil {
		return "", nil, err
	}
	r.blanks()
	if strings.HasPrefix(r.rest, "=") {
		r.take(1)
		// After a blank, # begins a comment. Directly after =, it is part of the value.
		if r.blanks() && strings.HasPrefix(r.rest, "#") {
			value = new(string)
		} else if value, err = r.value(line); err != nil {
			return "", nil, err
		}
	}
	r.blanks()
	if strings.HasPrefix(r.rest, "#") {
		r.until(newline)
	}
	if r.rest != "" && r.rest[0] != '\n' {
		return "", nil, fmt.Errorf("line %d: must be NAME=value, with nothing but a comment behind a closing quote", line)
	}
	return name, value, nil
}

// name reads a name. At a comment it returns "".
func (r *dotEnvReader) name(line int) (string, error) {
	switch {
	case strings.HasPrefix(r.rest, "#"):
		return "", nil
	case strings.HasPrefix(r.rest, "'"):
		r.take(1)
		name := r.until(func(c rune) bool { return c == '\'' })
		if name == "" || r.rest == "" {
			return "", fmt.Errorf("line %d: the quote around the name must be closed", line)
		}
		r.take(1)
		return name, nil
	}
	name := r.until(func(c rune) bool { return c == '=' || c == '#' || pythonSpace(c) })
	if name == "" {
		return "", fmt.Errorf("line %d: the name before = is missing", line)
	}
	return name, nil
}

// Python decodes these escapes and keeps every other backslash.
var (
	escapesInDouble = strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\"`, `"`, `\a`, "\a", `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\v")
	escapesInSingle = strings.NewReplacer(`\\`, `\`, `\'`, `'`)
)

func (r *dotEnvReader) value(line int) (*string, error) {
	var value string
	switch {
	case strings.HasPrefix(r.rest, `"`), strings.HasPrefix(r.rest, `'`):
		quote := r.take(1)[0]
		end := closingQuote(r.rest, quote)
		if end < 0 {
			return nil, fmt.Errorf("line %d: the quote is not closed", line)
		}
		escapes := escapesInDouble
		if quote == '\'' {
			escapes = escapesInSingle
		}
		value = escapes.Replace(r.take(end))
		r.take(1)
	default:
		value = r.until(newline)
		for i := 1; i < len(value); i++ {
			if before, _ := utf8.DecodeLastRuneInString(value[:i]); value[i] == '#' && pythonSpace(before) {
				value = value[:i]
			}
		}
		value = strings.TrimRightFunc(value, pythonSpace)
	}
	return &value, nil
}

// closingQuote returns the position of the quote that closes the one before text, or
// -1. A quote after a backslash does not close.
func closingQuote(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i
		}
	}
	return -1
}

var dotEnvVariable = regexp.MustCompile(`\$\{([^}:]*)(?::-([^}]*))?\}`)

// expandDotEnv replaces ${NAME} and ${NAME:-default}, also inside both kinds of quotes.
// Values from the file win over the environment.
func expandDotEnv(value string, file, environ map[string]string) string {
	return dotEnvVariable.ReplaceAllStringFunc(value, func(variable string) string {
		parts := dotEnvVariable.FindStringSubmatch(variable)
		for _, set := range []map[string]string{file, environ} {
			if v, found := set[parts[1]]; found {
				return v
			}
		}
		return parts[2]
	})
}
