package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	envPrefix     = "COAGENT_"
	envConfigFile = "COAGENT_CONFIG"
	// EnvPassword is not a setting: commands that set a password read the password from
	// it.
	EnvPassword = "COAGENT_PASSWORD"
	// EnvLegacyKey is not a setting: import-legacy reads the old system's ENCRYPTION_KEY from
	// it.
	EnvLegacyKey    = "COAGENT_LEGACY_ENCRYPTION_KEY"
	configFile      = "coagent.yaml"
	providersPrefix = "llm.providers."
)

// Sources says what Load reads. From the weakest to the strongest: the defaults, the
// legacy names, the YAML file, COAGENT_* in .env, COAGENT_* in the environment, flags.
// An empty environment variable counts as not set.
type Sources struct {
	File  string            // YAML file; when empty: COAGENT_CONFIG, or else coagent.yaml in Dir if there is one
	Env   []string          // NAME=value, as os.Environ returns it
	Dir   string            // working folder, for coagent.yaml and .env (there or else in its parent)
	Flags map[string]string // path -> value
}

// Error lists everything that is wrong with a configuration. Each problem has its path
// and its source, and never a secret.
type Error struct{ Problems []string }

// Error lists the problems, one a line.
func (e *Error) Error() string {
	return "the configuration is not valid:\n  " + strings.Join(e.Problems, "\n  ")
}

// rawValue is a value from one source, not decoded yet.
type rawValue struct {
	value  any
	source string
}

type loader struct {
	config    *Config
	known     map[string]setting
	providers map[string]*Provider
	values    map[string]rawValue
	notices   []string
	problems  []string
}

// Load reads all sources. The returned notices are for the log. The error is an *Error.
func Load(src Sources) (*Config, []string, error) {
	l := &loader{
		config: Default(), known: map[string]setting{},
		providers: map[string]*Provider{}, values: map[string]rawValue{},
	}
	for _, s := range settingsOf(l.config) {
		l.known[s.path] = s
	}
	dir := cmp.Or(src.Dir, ".")
	environ := map[string]string{}
	for _, entry := range src.Env {
		if name, value, found := strings.Cut(entry, "="); found && name != "" {
			environ[name] = value
		}
	}
	env := l.dotEnv(dir, environ)
	for name, value := range environ {
		if value != "" {
			env[name] = rawValue{value, "environment"}
		}
	}
	l.addLegacy(env)
	l.addFile(src.File, env, dir)
	l.addEnv(env)
	for path, value := range src.Flags {
		if !l.put(path, rawValue{value, "flag"}) {
			l.problem(path, "flag", "is not a setting")
		}
	}
	l.decode()
	l.finish()
	if len(l.problems) > 0 {
		slices.Sort(l.problems)
		return nil, l.notices, &Error{Problems: slices.Compact(l.problems)}
	}
	return l.config, l.notices, nil
}

func (l *loader) problem(path, source, format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf("%s (%s) %s", path, source, fmt.Sprintf(format, args...)))
}

func (l *loader) notice(format string, args ...any) {
	l.notices = append(l.notices, fmt.Sprintf(format, args...))
}

// put stores a source's value for a path, and overwrites the value of a weaker source.
// It returns false when there is no such setting.
func (l *loader) put(path string, raw rawValue) bool {
	if s, ok := l.known[path]; ok {
		if s.section || s.value.Kind() == reflect.Map {
			l.problem(path, raw.source, "is a section: write its settings below it")
			return true
		}
		l.values[path] = raw
		return true
	}
	name, member, ok := strings.Cut(strings.TrimPrefix(path, providersPrefix), ".")
	if !ok || !strings.HasPrefix(path, providersPrefix) {
		return false
	}
	return l.addProvider(name) && l.known[providersPrefix+name+"."+member].path != "" && l.put(path, raw)
}

// addProvider adds the settings of one more provider. It accepts any name;
// checkProviders checks the name later.
func (l *loader) addProvider(name string) bool {
	if name == "" || l.providers[name] != nil {
		return name != ""
	}
	p := new(Provider)
	for _, s := range appendSettings(nil, providersPrefix+name+".", reflect.ValueOf(p).Elem()) {
		if err := s.setDefault(); err != nil {
			return false
		}
		l.known[s.path] = s
	}
	l.providers[name] = p
	return true
}

// addLegacy reads the environment names of the older Python server.
func (l *loader) addLegacy(env map[string]rawValue) {
	for _, s := range settingsOf(l.config) {
		var first string
		for _, name := range s.legacy {
			raw, found := env[name]
			switch {
			case !found:
			case first == "":
				first = name
				l.values[s.path] = rawValue{raw.value, name + " in " + raw.source}
			case raw.value != env[first].value:
				l.notice("%s is ignored, because %s is set too and differs", name, first)
			}
		}
	}
	l.addLegacyPostgres(env)
	var redis []string
	for name := range env {
		if strings.HasPrefix(name, "REDIS_") {
			redis = append(redis, name)
		}
	}
	if slices.Sort(redis); len(redis) > 0 {
		l.notice("%s: not needed, coagent works without Redis", strings.Join(redis, ", "))
	}
}

func (l *loader) addLegacyPostgres(env map[string]rawValue) {
	if _, found := l.values["database.url"]; found {
		return
	}
	text := func(name string) string { value, _ := env[name].value.(string); return value }
	server, user, name := text("POSTGRES_SERVER"), text("POSTGRES_USER"), text("POSTGRES_DB")
	if server == "" {
		if user != "" || name != "" {
			l.notice("POSTGRES_USER and POSTGRES_DB have no effect without POSTGRES_SERVER")
		}
		return
	}
	source := "POSTGRES_SERVER in " + env["POSTGRES_SERVER"].source
	if user == "" || name == "" {
		l.problem("database.url", source, "needs POSTGRES_USER and POSTGRES_DB too, or DATABASE_URL instead of all of them")
		return
	}
	url := postgresURL(server, text("POSTGRES_PORT"), user, text("POSTGRES_PASSWORD"), name)
	l.values["database.url"] = rawValue{url, source}
}

var quotedByYAML = regexp.MustCompile("`[^`]*`")

// addFile reads the YAML file.
func (l *loader) addFile(path string, env map[string]rawValue, dir string) {
	if path == "" {
		path, _ = env[envConfigFile].value.(string)
	}
	optional := path == ""
	if optional {
		path = filepath.Join(dir, configFile)
	}
	text, err := os.ReadFile(path)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		l.problems = append(l.problems, err.Error())
		return
	}
	var sections map[string]any
	if err := yaml.Unmarshal(text, &sections); err != nil {
		// The text between the backquotes may be a secret.
		l.problems = append(l.problems, path+": "+quotedByYAML.ReplaceAllString(err.Error(), "a value"))
		return
	}
	l.config.file = path
	l.addSection("", sections, path)
}

// addSection stores the values of a section of the YAML file, and of the sections below.
// prefix is the section's path and a dot.
func (l *loader) addSection(prefix string, section map[string]any, file string) {
	for _, key := range slices.Sorted(maps.Keys(section)) {
		path, value := prefix+key, section[key]
		_, known := l.known[path]
		switch nested, isSection := sectionOf(value); {
		case isSection && len(nested) > 0:
			l.addSection(path+".", nested, file)
		case known && (value == nil || isSection):
			// A key without a value, or with only comments after it, sets nothing.
		case prefix == providersPrefix && (value == nil || isSection) && l.addProvider(key):
			// The check of all providers says what this one misses.
		case prefix == providersPrefix:
			l.problem(path, file, "is a section: write {base_url: ...}")
		case !l.put(path, rawValue{value, file}):
			l.problem(path, file, "is not a setting")
		}
	}
}

// sectionOf returns a value as a section. Keys that YAML reads as numbers or dates, such
// as 2024 for a provider, are texts here.
func sectionOf(value any) (map[string]any, bool) {
	mixed, ok := value.(map[any]any)
	if !ok {
		section, ok := value.(map[string]any)
		return section, ok
	}
	section := make(map[string]any, len(mixed))
	for key, value := range mixed {
		section[fmt.Sprint(key)] = value
	}
	return section, true
}

// addEnv reads COAGENT_*.
func (l *loader) addEnv(env map[string]rawValue) {
	paths := map[string]string{}
	for _, s := range settingsOf(l.config) {
		if !s.section {
			paths[s.env] = s.path
		}
	}
	var unknown []string
	for name, raw := range env {
		if !strings.HasPrefix(name, envPrefix) || name == envConfigFile || name == EnvPassword || name == EnvLegacyKey {
			continue
		}
		path := cmp.Or(paths[name], providerPath(name))
		if path == "" || !l.put(path, rawValue{raw.value, name + " in " + raw.source}) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		l.notice("%s is ignored: there is no such setting", name)
	}
}

// providerPath returns the path of COAGENT_LLM_PROVIDERS_<NAME>_<MEMBER>.
func providerPath(env string) string {
	name, found := strings.CutPrefix(env, envName(providersPrefix))
	if !found {
		return ""
	}
	for _, s := range settingsOf(new(Provider)) {
		if name, found := strings.CutSuffix(name, "_"+strings.ToUpper(s.path)); found {
			return providersPrefix + strings.ToLower(name) + "." + s.path
		}
	}
	return ""
}

// decode sets each field from its strongest source.
func (l *loader) decode() {
	for path, raw := range l.values {
		if err := l.known[path].set(raw.value); err != nil {
			l.problem(path, raw.source, "%v", err)
		}
	}
	for name, p := range l.providers {
		if l.config.LLM.Providers == nil {
			l.config.LLM.Providers = map[string]Provider{}
		}
		l.config.LLM.Providers[name] = *p
	}
}

// finish brings equivalent values to one form, then checks the rules that tags cannot
// express.
func (l *loader) finish() {
	l.config.normalise()
	l.config.checkAll(func(path, format string, args ...any) {
		l.problem(path, l.source(path), format, args...)
	})
	l.notices = append(l.notices, l.config.warnings()...)
}

// source returns the source that set the path. For a missing member it is the source of
// another member of the same section.
func (l *loader) source(path string) string {
	if raw, found := l.values[path]; found {
		return raw.source
	}
	if name, found := strings.CutPrefix(path, providersPrefix); found {
		name, _, _ = strings.Cut(name, ".")
		for _, s := range settingsOf(new(Provider)) {
			if raw, found := l.values[providersPrefix+name+"."+s.path]; found {
				return raw.source
			}
		}
	}
	return "default"
}
