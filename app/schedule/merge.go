package schedule

import (
	"encoding/json"
	"maps"
)

// MergeTrigger lays a trigger_config over another: member by member, so that
// one can be changed alone; null changes nothing. One of the other form, which
// would not know the members, takes the place of the whole.
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

// MergeSchedule does the same for a schedule_config.
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

// object is the members of a JSON object; ok is false for what is none.
func object(text string) (m map[string]any, ok bool) {
	n, r := read("", text)
	return n.object(), r.first == nil
}

// lay returns base with the members of over; neither is changed.
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

// encode is a value that was JSON before, as JSON.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(b)
}
