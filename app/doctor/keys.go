package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/wording"
)

// KeyUnreadable is the kind of a key that this server cannot read.
const KeyUnreadable = "unreadable_key"

// KeyResult is what a provider said to a stored key.
type KeyResult struct {
	Provider string
	Name     string // what a person knows the key by
	Kind     string // of the fault, "" for none
	Fault    string // in the provider's words, without the key
}

// providerKeys asks the providers about the keys, if that is wanted.
func providerKeys(ctx context.Context, in *Installation) (found []Finding) {
	if in.TestKeys == nil {
		return nil
	}
	results, err := in.TestKeys(ctx)
	if err != nil {
		return failed(err)
	}
	good := 0
	faults := map[[3]string][]string{} // provider, kind and fault, with the names
	var order [][3]string
	for _, r := range results {
		id := [3]string{r.Provider, r.Kind, r.Fault}
		switch {
		case r.Kind == "":
			good++
		case faults[id] == nil:
			order = append(order, id)
			fallthrough
		default:
			faults[id] = append(faults[id], r.Name)
		}
	}
	slices.SortFunc(order, func(a, b [3]string) int { return strings.Compare(strings.Join(a[:], "\n"), strings.Join(b[:], "\n")) })
	for _, id := range order {
		found = append(found, warn(words("%s (%s): %s", id[0], namesText(faults[id]), id[2]), keyRemedy(id[1])))
	}
	return append(found, fine(words("%d of %d keys and providers answer", good, len(results))))
}

func keyRemedy(kind string) wording.Text {
	switch kind {
	case "bad_key", "wrong_provider", KeyUnreadable:
		return words("Enter the key again, or remove it")
	case "quota":
		return words("Pay the provider, or raise the limit of the key there")
	case "limited":
		return words("Ask again in a minute")
	}
	return words("Look whether this machine reaches the provider (llm.proxy, HTTPS_PROXY), and at base_url in the configuration")
}

// fewNames is how many names a finding has.
const fewNames = 5

func namesText(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > fewNames {
		names = append(names[:fewNames:fewNames], "...")
	}
	return strings.Join(names, ", ")
}
