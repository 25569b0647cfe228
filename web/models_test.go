package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// mostReadsOfModels is the most statements that listing the models for an agent takes.
const mostReadsOfModels = 7

// The list of models for an agent takes as many statements for many keys as for one.
func TestReadsOfModels(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		key := func() {
			w.as(owner).must(t, 200, post, v1+"/users/keys", body{"provider": "openai", "alias": store.NewID(), "api_key": "key-" + store.NewID()})
		}
		reads := func(path string) int {
			t.Helper()
			name := strings.ReplaceAll(store.NewID(), "-", "")
			w.as(owner).with(requestIDHeader, name).must(t, 200, get, path)
			return w.readsOf(t, name)
		}
		for _, path := range []string{v1 + "/models?agent_id=" + w.agent, v1 + "/models"} {
			key()
			few := reads(path)
			for range 10 {
				key()
			}
			if many := reads(path); few > mostReadsOfModels || many > mostReadsOfModels || many > few+2 {
				t.Errorf("%s: %d queries with one key, %d with ten more, want at most %d", path, few, many, mostReadsOfModels)
			}
		}
	})
}
