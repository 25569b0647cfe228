package llmtest

import (
	"cmp"
	"net/http"
	"strings"
)

// listing is what the server answers to the question which models it has.
type listing struct {
	status int
	body   string
	asked  []string // the keys of the questions
	gate   <-chan struct{}
}

// Lists sets the answer to the question which models there are, in any format; the default
// is 404. With a gate each answer waits until it is closed.
func (h *Handler) Lists(status int, body string, gate <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listing.status, h.listing.body, h.listing.gate = status, body, gate
}

// Listings are the keys with which somebody asked which models there are.
func (h *Handler) Listings() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.listing.asked...)
}

func (h *Handler) listModels(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	if len(h.listing.asked) < maxRecorded {
		h.listing.asked = append(h.listing.asked, cmp.Or(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "),
			req.Header.Get("X-Goog-Api-Key"), req.Header.Get("X-Api-Key")))
	}
	l := h.listing
	h.mu.Unlock()
	if l.gate != nil {
		select {
		case <-l.gate:
		case <-req.Context().Done():
		case <-h.done:
		}
	}
	if l.status == 0 {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(l.status)
	_, _ = w.Write([]byte(l.body))
}
