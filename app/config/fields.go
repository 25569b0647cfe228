package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/secret"
)

// setting is one field or one section of Config, with the content of its tags.
type setting struct {
	path    string // "http.addr"
	env     string // "COAGENT_HTTP_ADDR"
	legacy  []string
	doc     string
	def     string
	min     string
	max     string
	oneof   []string
	section bool
	value   reflect.Value
}

// settingsOf lists the settings and sections of config, a pointer to a configuration
// struct. They are in the order of their declaration, each section before its members.
func settingsOf(config any) []setting {
	return appendSettings(nil, "", reflect.ValueOf(config).Elem())
}

func appendSettings(list []setting, prefix string, v reflect.Value) []setting {
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		tag := v.Type().Field(i).Tag
		s := setting{
			path: prefix + tag.Get("yaml"), doc: tag.Get("doc"), def: tag.Get("default"),
			min: tag.Get("min"), max: tag.Get("max"),
			legacy: splitList(tag.Get("legacy")), oneof: splitList(tag.Get("oneof")),
			section: v.Field(i).Kind() == reflect.Struct, value: v.Field(i),
		}
		s.env = envName(s.path)
		list = append(list, s)
		if s.section {
			list = appendSettings(list, s.path+".", s.value)
		}
	}
	return list
}

func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func (s setting) setDefault() error {
	if s.section {
		return nil
	}
	if s.value.Kind() == reflect.Slice {
		s.value.Set(reflect.MakeSlice(s.value.Type(), 0, 0))
	}
	if s.def == "" {
		return nil
	}
	return s.set(s.def)
}

// set decodes raw into the setting. raw is text from the environment, or a value from
// YAML. On an error the setting is not changed. The error never repeats a secret.
func (s setting) set(raw any) error {
	if s.value.Kind() == reflect.Slice {
		return s.setList(raw)
	}
	if s.value.Kind() == reflect.Map {
		return errors.New("is a section: write name: {kind, base_url, default_model} below it")
	}
	next := reflect.New(s.value.Type()).Elem()
	if err := decode(next, raw); err != nil {
		return err
	}
	if err := s.check(next); err != nil {
		return err
	}
	s.value.Set(next)
	return nil
}

func (s setting) setList(raw any) error {
	if s.value.Type() == reflect.TypeFor[[]Price]() {
		prices, err := pricesIn(raw)
		if err == nil {
			s.value.Set(reflect.ValueOf(prices))
		}
		return err
	}
	if s.value.Type() == reflect.TypeFor[[]SignOn]() {
		providers, err := signOnIn(raw)
		if err == nil {
			s.value.Set(reflect.ValueOf(providers))
		}
		return err
	}
	items, ok := raw.([]any)
	if text, isText := raw.(string); isText {
		for _, part := range parseList(text) {
			items = append(items, part)
		}
	} else if !ok {
		return errors.New("must be a list")
	}
	next := reflect.MakeSlice(s.value.Type(), len(items), len(items))
	for i, item := range items {
		if err := decode(next.Index(i), item); err != nil {
			return fmt.Errorf("item %d %w", i+1, err)
		}
	}
	s.value.Set(next)
	return nil
}

// parseList reads a JSON list of texts, or texts separated by commas.
func parseList(text string) []string {
	var list []string
	if strings.HasPrefix(strings.TrimSpace(text), "[") && json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	return splitList(text)
}

func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

func decode(v reflect.Value, raw any) error {
	text, isText := raw.(string)
	switch v.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		if !isText || err != nil {
			return fmt.Errorf("must be a duration such as 30s or 5m, not %v", raw)
		}
		v.SetInt(int64(d))
		return nil
	case Bytes:
		n, err := parseBytes(raw)
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
		return nil
	case secret.Text:
		if !isText {
			return errors.New("must be text: put it between quotes")
		}
		v.SetString(text)
		return nil
	}
	return decodePlain(v, raw, text, isText)
}

func decodePlain(v reflect.Value, raw any, text string, isText bool) error {
	switch v.Kind() {
	case reflect.String:
		if !isText {
			return fmt.Errorf("must be text, not %v: put it between quotes", raw)
		}
		v.SetString(text)
	case reflect.Bool:
		b, ok := raw.(bool)
		if isText {
			var err error
			b, err = parseBool(text)
			ok = err == nil
		}
		if !ok {
			return fmt.Errorf("must be true or false, not %v", raw)
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(fmt.Sprint(raw))
		if err != nil {
			return fmt.Errorf("must be a whole number, not %v", raw)
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(fmt.Sprint(raw), 64)
		if err != nil {
			return fmt.Errorf("must be a number, not %v", raw)
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("has type %s, which is not supported", v.Type())
	}
	return nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "yes", "on":
		return true, nil
	case "no", "off":
		return false, nil
	}
	return strconv.ParseBool(strings.ToLower(text))
}

// check checks a decoded value against the bounds in the tags.
func (s setting) check(v reflect.Value) error {
	if len(s.oneof) > 0 {
		if slices.Contains(s.oneof, v.String()) {
			return nil
		}
		return fmt.Errorf("must be one of %s, not %q", strings.Join(s.oneof, ", "), v.String())
	}
	for _, bound := range []struct {
		text string
		sign int
		word string
	}{{s.min, -1, "at least"}, {s.max, 1, "at most"}} {
		if bound.text == "" {
			continue
		}
		limit := reflect.New(v.Type()).Elem()
		if err := decode(limit, bound.text); err != nil {
			return err
		}
		if compare(v, limit) == bound.sign || v.Kind() == reflect.Float64 && math.IsNaN(v.Float()) {
			return fmt.Errorf("must be %s %s, not %v", bound.word, bound.text, v.Interface())
		}
	}
	return nil
}

func compare(a, b reflect.Value) int {
	if a.Kind() == reflect.Float64 {
		return cmp.Compare(a.Float(), b.Float())
	}
	return cmp.Compare(a.Int(), b.Int())
}

// Bytes is a size. It is written as a number of bytes or as 64KiB, 4MiB or 1GiB.
type Bytes int

var byteUnits = []struct {
	suffix string
	size   Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes the size with the largest unit that divides it.
func (b Bytes) String() string {
	for _, unit := range byteUnits {
		if b != 0 && b%unit.size == 0 {
			return strconv.Itoa(int(b/unit.size)) + unit.suffix
		}
	}
	return strconv.Itoa(int(b))
}

func parseBytes(raw any) (Bytes, error) {
	text := strings.TrimSpace(fmt.Sprint(raw))
	factor := Bytes(1)
	for _, unit := range byteUnits {
		if number, found := strings.CutSuffix(text, unit.suffix); found {
			text, factor = strings.TrimSpace(number), unit.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("must be a size such as 65536, 64KiB or 4MiB, not %v", raw)
	}
	return Bytes(n) * factor, nil
}
