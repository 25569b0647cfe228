package schedule

import (
	"encoding/json"
	"maps"
)

// MergeTrigger changes the trigger_config base by the members that over has, so that
// one member can be changed alone. A null changes nothing. When over has the other
// form, the members do not fit together, so over replaces base as a whole.
func MergeTrigger(base, over string) string {
	return merged(base, over, func(m map[string]any) string {
		n := node{r: &reader{}, v: m}
		switch {
		case isNewTrigger(n):
			return "new"
		case n.has("type", "value"):
			return "old"
		}
		return ""
	})
}

// MergeSchedule does the same as MergeTrigger for a schedule_config.
func MergeSchedule(base, over string) string {
	return merged(base, over, func(m map[string]any) string {
		n := node{r: &reader{}, v: m}
		switch {
		case isNewSchedule(n):
			return "new"
		case n.has("mode", "general", "specific"):
			return "old"
		}
		return ""
	})
}

func merged(base, over string, form func(map[string]any) string) string {
	b, ok := object(base)
	o, fine := object(over)
	switch {
	case !fine || len(o) == 0:
		return base
	case !ok || len(b) == 0:
		return over
	}
	if was, is := form(b), form(o); was != "" && is != "" && was != is {
		return over
	}
	return encode(lay(b, o))
}

// object returns the members of a JSON object. ok is false when text is not an object.
func object(text string) (m map[string]any, ok bool) {
	n, r := read("", text)
	return n.object(), r.first == nil
}

// lay returns base changed by the members of over. It modifies neither.
func lay(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	for name, v := range over {
		if v == nil {
			continue
		}
		below, ok := out[name].(map[string]any)
		above, both := v.(map[string]any)
		if ok && both {
			v = lay(below, above)
		}
		out[name] = v
	}
	return out
}

// encode writes a value that was read from JSON as JSON again.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(b)
}
